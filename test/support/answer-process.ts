import { CometChatTransport, type CometChatTransportOptions } from "../../src/client/ai/index.ts";
import { Child } from "../soak/support/child.ts";
import { parseWord, type AnswerProcessOrder } from "./answer-process-program.ts";

const program = new URL("answer-process-program.ts", import.meta.url);
const running = new Set<Child>();
process.once("exit", () => {
  for (const child of running) child.stop();
});

/** A process that answers questions over a broker. The caller kills it. */
export class AnswerProcess {
  readonly #order: AnswerProcessOrder;
  #child: Child | undefined;
  #port: number;

  constructor(order: AnswerProcessOrder) {
    this.#order = order;
    this.#port = order.port;
  }

  get api(): string {
    return `http://127.0.0.1:${this.#port}/api/chat`;
  }

  /** Starts it, on its former port if it has run before. Resolves when it listens. */
  async start(): Promise<void> {
    const child = new Child(program);
    this.#child = child;
    running.add(child);
    this.#port = await child.call<number>("listen", { ...this.#order, port: this.#port });
  }

  /** Kills it by signal 9. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    await child.kill();
    running.delete(child);
  }

  transport(options: CometChatTransportOptions<unknown> = {}): CometChatTransport {
    return new CometChatTransport({ api: this.api, ...options });
  }
}

/** One reader of an answer of numbered words: it collects them, and checks that none is missing or repeated. */
export class AnswerReader {
  readonly words: string[] = [];
  /** Set once the reader has ended: `whole`, `stopped`, or the text of an error. */
  outcome: string | undefined;
  readonly done: Promise<void>;
  readonly #abort = new AbortController();

  /** @param open Returns the stream; `null` if there is no answer. */
  constructor(open: (signal: AbortSignal) => Promise<ReadableStream<unknown> | null>) {
    this.done = this.#read(open);
  }

  /** Leaves, as a page that is reloaded does. */
  leave(): void {
    this.#abort.abort();
  }

  /** The violation of the order of the words, if there is one. @param count The number of words of a whole answer. */
  violation(count: number): string | undefined {
    const [first] = this.words.map(parseWord);
    for (const [i, word] of this.words.entries()) {
      const { run, n } = parseWord(word);
      if (n !== i || run !== first?.run) return `word ${i} is ${word}, the first is ${this.words[0] ?? ""}`;
    }
    if (this.outcome === "whole" && this.words.length !== count) return `whole, but has ${this.words.length} words`;
    return undefined;
  }

  async #read(open: (signal: AbortSignal) => Promise<ReadableStream<unknown> | null>): Promise<void> {
    let isStopped = false;
    try {
      const stream = await open(this.#abort.signal);
      if (stream === null) {
        this.outcome = "absent";
        return;
      }
      for await (const chunk of stream as ReadableStream<{ type: string; delta?: string; errorText?: string }>) {
        if (chunk.type === "text-delta") this.words.push(chunk.delta ?? "");
        if (chunk.type === "abort") isStopped = true;
        if (chunk.type === "error") throw new Error(chunk.errorText);
      }
      this.outcome = isStopped ? "stopped" : "whole";
    } catch (error) {
      this.outcome = this.#abort.signal.aborted ? "left" : String(error);
    }
  }
}

/** The body of a question for `AnswerProcess`, as an option of the transport. */
export function numberedBody(words: number, pauseMs: number): Pick<CometChatTransportOptions<unknown>, "body"> {
  return { body: ({ chatId }) => ({ id: chatId, words, pauseMs }) };
}

/** Asks a question, and returns its reader. */
export function ask(transport: CometChatTransport, chatId: string): AnswerReader {
  const question = { chatId, messages: [], trigger: "submit-message", messageId: undefined } as const;
  return new AnswerReader((abortSignal) => transport.sendMessages({ ...question, messages: [], abortSignal }));
}

/** Resumes an answer, and returns its reader. */
export function resume(transport: CometChatTransport, chatId: string): AnswerReader {
  return new AnswerReader((abortSignal) => transport.reconnectToStream({ chatId, abortSignal }));
}
