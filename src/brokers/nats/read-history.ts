import { CometError } from "../../core/errors.ts";
import type { BrokerMessage, History, TopicBounds } from "../../log/broker.ts";
import { getNewest, getNext, readPageAfter } from "./get-entries.ts";
import { streamInfo, type StreamInfo } from "./jetstream-api.ts";
import type { StoredEntry } from "./message-codec.ts";
import { entriesLimit } from "./nats-broker-options.ts";
import { epochOf } from "./stream-epoch.ts";
import { advance, inEpoch, isExpired, NOT_BEGUN, readState, type StateSource, type TopicState } from "./topic-state.ts";

/** A message counts as possibly too old this much before `maxAgeMs`, in milliseconds. */
const AGE_MARGIN_MS = 1000;

/** One call of `read`, with the parts of the broker that it needs. */
export interface HistoryRequest extends StateSource {
  readonly after: number;
  readonly bounds: TopicBounds;
  /** As in `Broker.read`. */
  readonly current: number;
  /** Messages up to this offset are of earlier epochs. */
  readonly base: number;
  /** The newest message of the topic that the hub was notified of, or has read. */
  readonly seen: Pick<BrokerMessage, "offset" | "at"> | undefined;
}

/** A page of a topic, and the state of the topic that it was read in. */
export interface HistoryAnswer {
  readonly history: History;
  readonly state: TopicState;
}

/** Some entries of a subject, and facts about it at one moment. */
interface Page {
  readonly from: number;
  readonly entries: readonly StoredEntry[];
  /** The oldest entry that was held after the base, and the offset of the newest message; 0 if there was none. */
  readonly oldest: StoredEntry | undefined;
  readonly head: number;
  /** Up to this offset there are no other entries than these. */
  readonly through: number;
  readonly state: TopicState;
  /** Entries up to this offset are of earlier epochs or lives. */
  readonly base: number;
}

/**
 * Reads a topic. An answer has no holes between its messages, although the server trims at any time: it trims from the older end, so the
 * messages that are not older than the oldest one held, as asked after all were read, are complete.
 *
 * The order of the requests is what makes this right: messages, then the oldest, then the stream. Asked in that order, an answer may
 * state too high a floor, which is a spurious gap, and never too low a one, which would be silent loss.
 */
export async function readHistory(request: HistoryRequest): Promise<HistoryAnswer> {
  const { epoch, clock, bounds, after } = request;
  let from = after;
  const until = performance.now() + request.settings.timeoutMs;
  for (;;) {
    const page = await readPage(request, from);
    const stream = await epoch.info();
    const { head, through, state, base } = page;
    const { name } = epochOf(stream);
    if (isExpired(state, clock.now())) return expired(state, name, clock.now());
    if (bounds.ttlMs !== undefined && state.life === undefined && head === 0) {
      // No message of it was ever published, though the stream has lost messages of others.
      const history = { epoch: name, floor: 0, head: 0, messages: [], now: clock.now(), finite: undefined };
      return { history, state };
    }
    const begin = Math.max(after, base);
    const isComplete = through >= head;
    const messages = messagesOf(page);
    const time = messages.reduce((latest, { at }) => Math.max(latest, at), clock.now());
    const excess = countExcess(messages, limitsOf(bounds, state), time, isComplete);
    // An answer without messages would mean that there are no more.
    if (excess === messages.length && !isComplete) {
      if (performance.now() > until) throw outrun(request);
      from = through;
      continue;
    }
    const removed = messages[excess - 1]?.offset ?? (from > begin ? from : base);
    const floor = Math.max(await floorOf(request, page, stream, time), removed);
    const newest = Math.max(head, messages.at(-1)?.offset ?? 0, floor);
    const finite =
      state.life === undefined ? undefined : { ttlMs: state.life.ttlMs, begunAfter: state.life.base, isExpired: false };
    const history = { epoch: name, floor, head: newest, messages: messages.slice(excess), now: time, finite };
    return { history, state };
  }
}

/** The answer for a topic that has ended, and is no longer kept. Its messages may still be in the stream. */
function expired(state: TopicState, epoch: string, now: number): HistoryAnswer {
  const finite = { ttlMs: state.life?.ttlMs ?? 0, begunAfter: state.base, isExpired: true };
  return { history: { epoch, floor: state.newest, head: state.newest, messages: [], now, finite }, state };
}

function outrun({ subject, settings }: HistoryRequest): CometError {
  return new CometError(
    "ERR_BROKER",
    `The stream trimmed ${subject} faster than it could be read, for ${settings.timeoutMs} ms.`,
  );
}

/** The messages of a page: neither marks of leases and deletions, nor what was published after the end. */
function messagesOf({ entries, state: { end } }: Page): BrokerMessage[] {
  const last = end?.offset ?? Infinity;
  return entries
    .filter(({ kind, message }) => kind === "message" && message.offset <= last)
    .map(({ message }) => message);
}

interface Limits {
  readonly maxEntries: number;
  readonly maxAgeMs: number;
}

/** The bounds of the messages. Those of a topic that ends do not age, and its end does not count. */
function limitsOf({ maxAgeMs, maxEntries }: TopicBounds, { life, end }: TopicState): Limits {
  if (life === undefined) return { maxAgeMs, maxEntries };
  return { maxAgeMs: Infinity, maxEntries: end === undefined ? maxEntries : maxEntries + 1 };
}

/** The number of messages that exceed the hub's bounds. Those of the stream may be wider. */
function countExcess(
  messages: readonly BrokerMessage[],
  { maxAgeMs, maxEntries }: Limits,
  now: number,
  isComplete: boolean,
): number {
  let excess = isComplete ? Math.max(0, messages.length - maxEntries) : 0;
  for (let i = excess; i < messages.length; i += 1) {
    const { at, fault } = messages[i] as BrokerMessage;
    // The time of an entry with a fault is unknown: it is removed with the next message.
    if (fault !== undefined) continue;
    if (now - at <= maxAgeMs) break;
    excess = i + 1;
  }
  return excess;
}

async function readPage(request: HistoryRequest, after: number): Promise<Page> {
  const found = inEpoch(await readState(request, false), request.base);
  const base = Math.max(found.base, request.base);
  const from = Math.max(after, base);
  const head = found.head > base ? found.head : 0;
  if (head === 0) return { from, entries: [], oldest: undefined, head, through: from, state: found, base };
  const entries = await readPageAfter(request, from, head);
  const state = found.life === undefined ? entries.reduce(advance, { ...NOT_BEGUN, base }) : found;
  if (state.base > base) return await readPage({ ...request, base: state.base }, after);
  const last = entries.at(-1)?.message.offset ?? from;
  const oldest = await getNext(request, base + 1);
  // The server may have trimmed meanwhile. None is missing among the entries that are still held.
  const held = oldest === undefined ? [] : entries.filter(({ message }) => message.offset >= oldest.message.offset);
  const gone = oldest === undefined ? head : oldest.message.offset - 1;
  const through = Math.max(last, Math.min(gone, head));
  // Entries after the end are no messages.
  const newest = through >= head && state.end !== undefined ? state.head : head;
  return { from, entries: held, oldest, head: newest, through, state, base };
}

/** The offset up to which messages may have been removed. */
async function floorOf(request: HistoryRequest, page: Page, stream: StreamInfo, now: number): Promise<number> {
  const { settings, seen } = request;
  const { from, base } = page;
  const oldest = page.oldest?.message.offset ?? 0;
  // A message before `from` is held, so no later one has been removed.
  if (oldest > 0 && oldest <= from) return oldest - 1;
  const previous = page.oldest?.previous;
  // It is the first one of its life.
  if (previous !== undefined && previous <= base) return base;
  const { firstInStream, count } = await countHeld(request, page, stream);
  // A message that left by age, or by the bytes of the stream, was older than all that the stream holds.
  const gone = Math.max(firstInStream - 1, 0);
  const isFull = count >= entriesLimit(settings);
  const floor = oldest === 0 ? gone : isFull ? oldest - 1 : Math.min(gone, oldest - 1);
  const oldestAge = settings.maxAgeMs - AGE_MARGIN_MS;
  if (isFull || request.current >= oldestAge || settings.maxStreamBytes !== undefined) return floor;
  // All later messages are too young to have been removed; so are perhaps earlier ones.
  const had = seen !== undefined && now - seen.at >= oldestAge ? seen.offset : 0;
  return Math.min(floor, Math.max(from, had));
}

/** The number of entries of the subject, and the first offset of the stream, at the same time or later. */
async function countHeld(
  request: HistoryRequest,
  page: Page,
  stream: StreamInfo,
): Promise<{ readonly firstInStream: number; readonly count: number }> {
  const { link, settings, subject } = request;
  const { entries, oldest, head, through } = page;
  const firstInStream = stream.state.first_seq;
  if (oldest === undefined) return { firstInStream, count: 0 };
  // If no entry has come since, the page has all of them. This request costs the server much less than a count.
  const newest = through < head ? undefined : await getNewest(request);
  if (newest?.message.offset === through) return { firstInStream, count: entries.length };
  const { state } = await streamInfo(link, settings, subject);
  return { firstInStream: state.first_seq, count: state.subjects?.[subject] ?? Infinity };
}
