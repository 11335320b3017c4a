/** Answers of language models over a hub, for the AI SDK: the entry point `comet-sockets/ai`. */
export { Answers, type AnswerOptions, type ProduceAnswer } from "./answers.ts";
export type { AnswerChunk } from "./answer-source.ts";
export { answerTopic } from "./answer-topic.ts";
export {
  createResumableStreamContext,
  type ResumableStreamContext,
  type ResumableStreamContextOptions,
} from "./resumable-stream.ts";
