/**
 * The signals of presence: their text, their checks, and their division into pieces of bounded size.
 *
 * Processes of any version exchange them over the broker, so the text is a wire format: `docs/presence.md` documents
 * it, and a change needs a new number in `PREFIX`. Signals are input of strangers too: `decodeSignal` returns
 * nothing that is not fully checked.
 */

import { utf8Length } from "../../core/utf8.ts";
import { checkTopicName } from "../../log/position.ts";
import { checkField } from "../../core/validate-field.ts";

/** The content of a signal. `docs/presence.md` has the rules. */
export type SignalBody =
  /** The process has its first subscribers. Processes that ask reply with `want`. */
  | { readonly type: "hello" }
  /** The process is alive. */
  | { readonly type: "beat" }
  /** The process is gone, and its subscribers with it. */
  | { readonly type: "bye" }
  /** The process asks for topics for five beats, of one process (`of`) or of all; for their whole state if `afresh`. */
  | { readonly type: "want"; readonly topics: readonly string[]; readonly of?: string; readonly afresh: boolean }
  /** The process has these subscribers. */
  | { readonly type: "have"; readonly parts: readonly Part[] };

/** A signal with its sender. */
export type Signal = SignalBody & {
  /** The name of the sending process, chosen at random. */
  readonly from: string;
  /** The period of the sender's heartbeats, in milliseconds. */
  readonly beatMs: number;
  /** The number of `have` that the sender has sent, this one included. A receiver with fewer has missed one. */
  readonly haves: number;
};

/**
 * A part of a topic's subscribers: all of them, as many as one signal holds, or the identities whose number has
 * changed.
 */
export interface Part {
  readonly topic: string;
  /** Whether it voids everything sent before about this topic. */
  readonly replaces: boolean;
  /** Whether the next part belongs to it. Only all parts together are a state that the topic had. */
  readonly continues: boolean;
  readonly anonymous: number;
  /** The number of subscribers that each identity has now; 0 if it has left. */
  readonly identities: readonly (readonly [identity: string, count: number])[];
}

/** The state of one topic, to be divided into parts. */
export interface TopicState {
  readonly topic: string;
  /** Whether `identities` has all of them, and not only changes. */
  readonly isWhole: boolean;
  readonly anonymous: number;
  readonly identities: Iterable<readonly [identity: string, count: number]>;
}

/** The longest signal, in bytes. The head around the parts of a `have`, or the topics of a `want`, has 512 of them. */
export const MAX_SIGNAL_BYTES = 262_144;
const MAX_CONTENT_BYTES = MAX_SIGNAL_BYTES - 512;

/** The range of `beatMs`, in milliseconds. */
export const MIN_BEAT_MS = 10;
export const MAX_BEAT_MS = 60_000;
/** The longest name of a process, in UTF-16 code units. */
const MAX_PROCESS_LENGTH = 64;
/** The highest number of subscribers that is believed. */
const MAX_COUNT = 1e9;

/** The beginning of every signal of presence, with the version of the rules. */
const PREFIX = "comet presence 1 ";

/** Returns a signal as text. */
export function encodeSignal({ type, ...rest }: Signal): string {
  if (!("parts" in rest)) return `${PREFIX}${type} ${JSON.stringify(rest)}`;
  const parts = rest.parts.map(({ topic, replaces, continues, anonymous, identities }) => {
    return [topic, (replaces ? 1 : 0) + (continues ? 2 : 0), anonymous, ...identities.flat()];
  });
  return `${PREFIX}${type} ${JSON.stringify({ ...rest, parts })}`;
}

/**
 * Parses a signal. Returns `undefined` for any other text, from whatever sender, and for a type that `isWanted`
 * rejects.
 */
export function decodeSignal(text: string, isWanted: (type: string) => boolean): Signal | undefined {
  if (!text.startsWith(PREFIX) || text.length > MAX_SIGNAL_BYTES) return undefined;
  const end = text.indexOf(" ", PREFIX.length);
  const type = text.slice(PREFIX.length, end);
  if (end === -1 || !isWanted(type)) return undefined;
  try {
    return checkSignal(type, JSON.parse(text.slice(end + 1)));
  } catch {
    return undefined;
  }
}

function checkSignal(type: string, value: unknown): Signal | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { from, beatMs, haves, topics, of, afresh, parts } = value as Readonly<Record<string, unknown>>;
  if (!isName(from, MAX_PROCESS_LENGTH) || !isCount(haves, Number.MAX_SAFE_INTEGER)) return undefined;
  if (!isCount(beatMs, MAX_BEAT_MS) || beatMs < MIN_BEAT_MS) return undefined;
  const head = { from, beatMs, haves };
  switch (type) {
    case "hello":
    case "beat":
    case "bye":
      return { type, ...head };
    case "want": {
      if (!Array.isArray(topics)) return undefined;
      if (typeof afresh !== "boolean" || (of !== undefined && !isName(of, MAX_PROCESS_LENGTH))) return undefined;
      return { type, ...head, topics: topics.map(checkTopicName), afresh, ...(of === undefined ? {} : { of }) };
    }
    case "have": {
      if (!Array.isArray(parts)) return undefined;
      const checked = parts.map(checkPart);
      return checked.every((part) => part !== undefined) ? { type, ...head, parts: checked } : undefined;
    }
    default:
      return undefined;
  }
}

/** @throws {CometError} For a bad topic or identity, as for other bad parts it returns `undefined`. */
function checkPart(value: unknown): Part | undefined {
  if (!Array.isArray(value)) return undefined;
  const [name, flags, anonymous, ...list] = value as unknown[];
  if (!isCount(flags, 3) || !isCount(anonymous, MAX_COUNT)) return undefined;
  const topic = checkTopicName(name);
  const identities: [string, number][] = [];
  for (let i = 0; i < list.length; i += 2) {
    const identity = checkField("An identity", list[i], "ERR_MESSAGE");
    const count = list[i + 1];
    if (identity === undefined || !isCount(count, MAX_COUNT)) return undefined;
    identities.push([identity, count]);
  }
  return { topic, replaces: (flags & 1) !== 0, continues: (flags & 2) !== 0, anonymous, identities };
}

function isName(value: unknown, maxLength: number): value is string {
  return typeof value === "string" && value !== "" && value.length <= maxLength;
}

function isCount(value: unknown, max: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max;
}

/** Divides topics into batches that fit into one signal each. */
export function* topicsInSignals(topics: Iterable<string>): Generator<string[]> {
  let [inOne, bytes]: [string[], number] = [[], 0];
  for (const topic of topics) {
    const more = sizeOf(topic);
    if (bytes + more > MAX_CONTENT_BYTES) {
      yield inOne;
      [inOne, bytes] = [[], 0];
    }
    inOne.push(topic);
    bytes += more;
  }
  if (inOne.length > 0) yield inOne;
}

/** Divides states into parts, and the parts into batches that fit into one signal each. */
export function* partsInSignals(states: Iterable<TopicState>): Generator<Part[]> {
  let [inOne, bytes]: [Part[], number] = [[], 0];
  const full = (): Part[] => {
    const parts = inOne;
    [inOne, bytes] = [[], 0];
    return parts;
  };
  for (const { topic, isWhole, anonymous, identities } of states) {
    let replaces = isWhole;
    let some: (readonly [string, number])[] = [];
    const add = (continues: boolean): void => {
      inOne.push({ topic, replaces, continues, anonymous, identities: some });
      replaces = false;
      some = [];
    };
    const head = sizeOf(topic) + 16;
    if (bytes + head > MAX_CONTENT_BYTES) yield full();
    bytes += head;
    for (const pair of identities) {
      const more = sizeOf(pair[0]) + 11;
      if (bytes + more > MAX_CONTENT_BYTES) {
        if (some.length > 0) add(isWhole);
        yield full();
        bytes = head;
      }
      some.push(pair);
      bytes += more;
    }
    add(false);
  }
  if (inOne.length > 0) yield full();
}

/** Returns the bytes of a text in JSON, with the separator after it. */
function sizeOf(text: string): number {
  return utf8Length(JSON.stringify(text)) + 1;
}
