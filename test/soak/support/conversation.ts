import { connect, type Socket } from "node:net";
import { AnswerReader, type RawAnswer } from "./answer-reader.ts";
import { Random } from "./random.ts";
import { makeRequest, type RequestKind } from "./request-maker.ts";

/** The way in which a client ends its connection. */
type Ending = "half-close" | "reset" | "close";

/** The requests of one connection, pipelined or one after the other, in pieces of any size. */
export interface Conversation {
  readonly kinds: readonly RequestKind[];
  /** The pieces of each step. A step begins after the answers to all steps before it. */
  readonly steps: readonly (readonly Buffer[])[];
  readonly ending: Ending;
  /** Whether the client waits for an answer before it ends the connection. */
  readonly awaitsAnswer: boolean;
}

export interface Outcome {
  readonly answers: readonly RawAnswer[];
  /** A fault that the client saw; `undefined` if there is none. */
  readonly violation: string | undefined;
}

/** The time limit for an answer, and for the end of a connection that the client has ended, in milliseconds. */
const PATIENCE_MS = 30_000;

/** Returns the conversation with a number. The same seed and number make the same conversation. */
export function makeConversation(seed: number, number: number): Conversation {
  const random = new Random((seed + Math.imul(number, 0x9e3779b1)) >>> 0);
  const count = random.chance(0.78) ? 1 : random.chance(0.7) ? random.whole(2, 3) : random.whole(4, 10);
  const requests = Array.from({ length: count }, () => makeRequest(random));
  const kinds = requests.map(({ kind }) => kind);
  const ending = random.pick(["half-close", "half-close", "reset", "close"] as const);
  // A request with mutated bytes may have an incomplete head, and no answer.
  if (count > 1 && !kinds.includes("bytes") && random.chance(0.4)) {
    return { kinds, steps: requests.map(({ bytes }) => split(random, bytes)), ending, awaitsAnswer: true };
  }
  const awaitsAnswer = kinds[0] !== "bytes" && random.chance(0.6);
  let bytes = Buffer.concat(requests.map((request) => request.bytes));
  // The client ends the connection in the middle of a request.
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

/** Holds a conversation with a server. Resolves when the client's socket is closed. */
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
    /** Sends the next step or ends the connection, if it is time. */
    const proceed = (): void => {
      if (isSending || (awaitsAnswer && !hasAnswer())) return;
      const last = reader.answers.at(-1);
      if (sent === steps.length || last === undefined) end(socket, ending);
      else if (last.isComplete && reader.answers.filter(({ status }) => status >= 200).length >= sent) sendStep();
      // A stream or an answer to HEAD: the client does not see its end.
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
    // The server may reset a connection with unread bytes.
    socket.on("error", () => undefined);
    socket.on("close", () => {
      clearTimeout(timer);
      reader.end();
      resolve({ answers: reader.answers, violation });
    });
    socket.on("connect", sendStep);
  });
}

/** Writes each piece in a turn of its own, so that it usually leaves in a packet of its own. */
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
