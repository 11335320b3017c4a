import { connect, type Socket } from "node:net";
import { AnswerReader, type RawAnswer } from "./answer-reader.ts";
import { Random } from "./random.ts";
import { makeRequest, type RequestKind } from "./request-maker.ts";

/** How a client leaves: at once, or when the first answer has come. */
type Ending = "half-close" | "reset" | "close";

/** What one connection sends: one or more requests, pipelined or one after the other, in pieces that do not end where the requests do. */
export interface Conversation {
  readonly kinds: readonly RequestKind[];
  /** The pieces of each step. A step begins when every request before it has had its answer. */
  readonly steps: readonly (readonly Buffer[])[];
  readonly ending: Ending;
  /** Whether the client leaves only when an answer has come. */
  readonly awaitsAnswer: boolean;
}

export interface Outcome {
  readonly answers: readonly RawAnswer[];
  /** What the client saw that may not be. */
  readonly violation: string | undefined;
}

/** How long a server may take to answer, or to close a connection that the client has ended, in milliseconds. */
const PATIENCE_MS = 30_000;

/** Returns the conversation with this number, which is the same for the same seed. */
export function makeConversation(seed: number, number: number): Conversation {
  const random = new Random((seed + Math.imul(number, 0x9e3779b1)) >>> 0);
  const count = random.chance(0.78) ? 1 : random.chance(0.7) ? random.whole(2, 3) : random.whole(4, 10);
  const requests = Array.from({ length: count }, () => makeRequest(random));
  const kinds = requests.map(({ kind }) => kind);
  const ending = random.pick(["half-close", "half-close", "reset", "close"] as const);
  // Only a request whose head may be incomplete has no answer.
  if (count > 1 && !kinds.includes("bytes") && random.chance(0.4)) {
    return { kinds, steps: requests.map(({ bytes }) => split(random, bytes)), ending, awaitsAnswer: true };
  }
  const awaitsAnswer = kinds[0] !== "bytes" && random.chance(0.6);
  let bytes = Buffer.concat(requests.map((request) => request.bytes));
  // A client that leaves in the middle of what it sends.
  if (!awaitsAnswer && random.chance(0.3)) bytes = bytes.subarray(0, random.whole(1, bytes.length));
  return { kinds, steps: [split(random, bytes)], ending, awaitsAnswer };
}

function split(random: Random, bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  const ends = random.chance(0.6)
    ? []
    : Array.from({ length: random.whole(1, 4) }, () => random.whole(1, bytes.length));
  let at = 0;
  for (const end of [...ends.sort((a, b) => a - b), bytes.length]) {
    if (end > at) pieces.push(bytes.subarray(at, end));
    at = end;
  }
  return pieces;
}

/** Has a conversation with a server. Resolves when its connection is closed on this side. */
export function converse(port: number, { steps, ending, awaitsAnswer }: Conversation): Promise<Outcome> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    const reader = new AnswerReader();
    let violation: string | undefined;
    let sent = 0;
    let isSending = true;
    const hasAnswer = (): boolean => reader.answers.some(({ status }) => status >= 200);
    const sendStep = (): void => {
      isSending = true;
      void send(socket, steps[sent] ?? []).then(() => {
        sent += 1;
        isSending = false;
        proceed();
      });
    };
    /** Goes on to the next step, or leaves. */
    const proceed = (): void => {
      if (isSending || (awaitsAnswer && !hasAnswer())) return;
      const last = reader.answers.at(-1);
      if (sent === steps.length || last === undefined) end(socket, ending);
      else if (last.isComplete && reader.answers.filter(({ status }) => status >= 200).length >= sent) sendStep();
      // A stream, or an answer to HEAD, of which the end is not seen.
      else if (last.status >= 200 && !/\r\ncontent-length:/i.test(last.head)) end(socket, ending);
    };
    const timer = setTimeout(() => {
      violation = hasAnswer() || !awaitsAnswer ? "The server did not close the connection." : "There was no answer.";
      socket.destroy();
    }, PATIENCE_MS);
    socket.on("data", (bytes: Buffer) => {
      try {
        reader.push(bytes);
      } catch (error) {
        violation ??= (error as Error).message;
        socket.destroy();
      }
      proceed();
    });
    // A server may reset the connection of a client that sends what it does not read.
    socket.on("error", () => undefined);
    socket.on("close", () => {
      clearTimeout(timer);
      reader.end();
      resolve({ answers: reader.answers, violation });
    });
    socket.on("connect", sendStep);
  });
}

/** Sends each piece in a packet of its own, as far as the system does so. */
async function send(socket: Socket, pieces: readonly Buffer[]): Promise<void> {
  for (const piece of pieces) {
    if (socket.destroyed) return;
    socket.write(piece);
    if (pieces.length > 1) await new Promise((resolve) => setImmediate(resolve));
  }
}

function end(socket: Socket, ending: Ending): void {
  if (ending === "half-close") socket.end();
  else if (ending === "reset") socket.resetAndDestroy();
  else socket.destroy();
}
