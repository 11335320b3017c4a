import { CometError, describe } from "../../core/errors.ts";
import { Enumeratee, Enumerator, type Source } from "../../stream/index.ts";

/** A chunk of the AI SDK's UI message stream protocol: `UIMessageChunk` fits. */
export interface AnswerChunk {
  /** The kind of the chunk, such as `text-delta`. Its other members are JSON. */
  readonly type: string;
}

/**
 * Returns the messages of an answer: its id, which is a string, and then its chunks, which are objects. The id is
 * published at once, before the model has answered.
 *
 * @param produce Returns the chunks. A chunk without a `type` fails the answer with `ERR_ENCODER`.
 */
export function answerSource(
  id: string,
  produce: () => Source<AnswerChunk> | PromiseLike<Source<AnswerChunk>>,
): Enumerator<AnswerChunk | string> {
  const chunks = Enumerator.defer(produce).through(Enumeratee.map(checkChunk));
  return Enumerator.concat<AnswerChunk | string>(Enumerator.of(id), chunks);
}

function checkChunk(chunk: unknown): AnswerChunk {
  if (typeof (Object(chunk) as Partial<AnswerChunk>).type === "string") return chunk as AnswerChunk;
  const hint = "Return the stream of toUIMessageStream, and no stream of text or bytes.";
  throw new CometError("ERR_ENCODER", `An answer consists of UI message chunks, not of ${describe(chunk)}. ${hint}`);
}
