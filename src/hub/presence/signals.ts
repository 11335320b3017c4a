import { utf8Length } from "../../core/utf8.ts";
import { MAX_TOPIC_LENGTH } from "../../log/position.ts";
import { MAX_FIELD_LENGTH } from "../../core/validate-field.ts";

/** What processes tell one another of presence; docs/presence.md has the rules. */
export type Told =
  /** There is somebody new who has subscribers: who wants to know of any, is to say so. */
  | { readonly type: "hello" }
  /** The process is alive. */
  | { readonly type: "beat" }
  /** It has gone, and its subscribers with it. */
  | { readonly type: "bye" }
  /** It wants to be told of these topics for a while, by one process or by all: to begin with, or once more, of everything. */
  | { readonly type: "want"; readonly topics: readonly string[]; readonly of?: string; readonly afresh: boolean }
  /** Who follows topics there. */
  | { readonly type: "have"; readonly parts: readonly Part[] };

export type Signal = Told & {
  /** The process that it is from: a random name. */
  readonly from: string;
  /** How long the process may be silent while it is alive. */
  readonly beatMs: number;
  /** How many `have` it has sent, this one included: who has heard fewer has missed something. */
  readonly haves: number;
};

/** Some of who follows a topic: everybody, or as many of them as go into one signal, or those whose number has changed. */
export interface Part {
  readonly topic: string;
  /** Whether everything that was told before is void. */
  readonly begins: boolean;
  /** Whether the next part belongs to this one: only with it is the topic's state one that has been. */
  readonly goesOn: boolean;
  readonly anonymous: number;
  /** The number of subscribers that each identity has now: 0 if it has left. */
  readonly identities: readonly (readonly [identity: string, count: number])[];
}

/** What is to be told of one topic. */
export interface Telling {
  readonly topic: string;
  /** Whether `identities` are all that there are. */
  readonly isWhole: boolean;
  readonly anonymous: number;
  readonly identities: Iterable<readonly [identity: string, count: number]>;
}

/** No signal is longer, in bytes. What is around the parts of a `have`, or the topics of a `want`, has the rest. */
export const MAX_SIGNAL_BYTES = 262_144;
const MAX_CONTENT_BYTES = MAX_SIGNAL_BYTES - 512;

export const MIN_BEAT_MS = 10;
export const MAX_BEAT_MS = 60_000;
/** The longest name of a process. */
const MAX_PROCESS_LENGTH = 64;
/** More subscribers than this no process has. */
const MAX_COUNT = 1e9;

/** What this library's signals of presence begin with, and the version of the rules. */
const PREFIX = "comet presence 1 ";

/** A signal as text. */
export function encodeSignal({ type, ...rest }: Signal): string {
  if (!("parts" in rest)) return `${PREFIX}${type} ${JSON.stringify(rest)}`;
  const parts = rest.parts.map(({ topic, begins, goesOn, anonymous, identities }) => {
    return [topic, (begins ? 1 : 0) + (goesOn ? 2 : 0), anonymous, ...identities.flat()];
  });
  return `${PREFIX}${type} ${JSON.stringify({ ...rest, parts })}`;
}

/** The signal that a text is. Nothing for all others, whoever they are from, and for one of a type that is not wanted. */
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
      if (!Array.isArray(topics) || !topics.every((topic) => isName(topic, MAX_TOPIC_LENGTH))) return undefined;
      if (typeof afresh !== "boolean" || (of !== undefined && !isName(of, MAX_PROCESS_LENGTH))) return undefined;
      return { type, ...head, topics, afresh, ...(of === undefined ? {} : { of }) };
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

function checkPart(value: unknown): Part | undefined {
  if (!Array.isArray(value)) return undefined;
  const [topic, flags, anonymous, ...list] = value as unknown[];
  if (!isName(topic, MAX_TOPIC_LENGTH) || !isCount(flags, 3) || !isCount(anonymous, MAX_COUNT)) return undefined;
  const identities: [string, number][] = [];
  for (let i = 0; i < list.length; i += 2) {
    const [identity, count] = [list[i], list[i + 1]];
    if (!isName(identity, MAX_FIELD_LENGTH) || !isCount(count, MAX_COUNT)) return undefined;
    identities.push([identity, count]);
  }
  return { topic, begins: (flags & 1) !== 0, goesOn: (flags & 2) !== 0, anonymous, identities };
}

function isName(value: unknown, maxLength: number): value is string {
  return typeof value === "string" && value !== "" && value.length <= maxLength;
}

function isCount(value: unknown, max: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max;
}

/** Topics, as many at a time as go into one signal. */
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

/** What is to be told, in as many parts as are needed, as many at a time as go into one signal. */
export function* partsInSignals(tellings: Iterable<Telling>): Generator<Part[]> {
  let [inOne, bytes]: [Part[], number] = [[], 0];
  const full = (): Part[] => {
    const parts = inOne;
    [inOne, bytes] = [[], 0];
    return parts;
  };
  for (const { topic, isWhole, anonymous, identities } of tellings) {
    let begins = isWhole;
    let some: (readonly [string, number])[] = [];
    const add = (goesOn: boolean): void => {
      inOne.push({ topic, begins, goesOn, anonymous, identities: some });
      begins = false;
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

/** The bytes of a text in JSON, with what separates it from the next. */
function sizeOf(text: string): number {
  return utf8Length(JSON.stringify(text)) + 1;
}
