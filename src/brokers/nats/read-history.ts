import type { Msg } from "@nats-io/transport-node";
import { CometError } from "../../core/errors.ts";
import type { BrokerMessage, History } from "../../log/broker.ts";
import type { LogBounds } from "../../log/entry.ts";
import { consume } from "./consume.ts";
import { JetStreamError, requestApi, streamInfo, type StreamInfo } from "./jetstream-api.ts";
import { decodeMessage, fieldsIn, fieldsOf, offsetIn } from "./message-codec.ts";
import type { NatsSettings } from "./nats-broker-options.ts";
import type { NatsLink } from "./nats-link.ts";
import type { ServerClock } from "./server-clock.ts";
import { epochOf, type StreamEpoch } from "./stream-epoch.ts";

/** The size of one answer, approximately. */
const PAGE_ENTRIES = 1000;
const PAGE_BYTES = 1_048_576;

/** Messages that are requested one by one before a consumer is created, which costs the server as much as about a hundred requests. */
const SINGLE_MESSAGES = 24;
/** The same in a cluster. A consumer is never created there: it may be placed on a server that is down, and then does not answer. */
const SINGLE_MESSAGES_OF_LEADER = 256;

/** A message counts as possibly too old this much before `maxAgeMs`, in milliseconds. */
const AGE_MARGIN_MS = 1000;

/** The codes of a direct request, and of the API, for a message that does not exist. */
const MESSAGE_NOT_FOUND = 404;
const NO_MESSAGE_FOUND = 10037;

/** One call of `read`, with the parts of the broker that it needs. */
export interface HistoryRequest {
  readonly link: NatsLink;
  readonly settings: NatsSettings;
  readonly epoch: StreamEpoch;
  readonly clock: ServerClock;
  readonly subject: string;
  readonly after: number;
  readonly bounds: LogBounds;
  /** As in `Broker.read`. */
  readonly current: number;
  /** Messages up to this offset are of earlier epochs. */
  readonly base: number;
  /** The newest message of the topic that the hub was notified of, or has read. */
  readonly known: Pick<BrokerMessage, "offset" | "at"> | undefined;
}

/** Some messages of a subject, and facts about it at one moment. */
interface Page {
  readonly from: number;
  readonly messages: readonly BrokerMessage[];
  /** The offsets of the oldest and of the newest message that were held; 0 if there was none. */
  readonly oldest: number;
  readonly head: number;
  /** Up to this offset there are no other messages than these. */
  readonly through: number;
}

/**
 * Reads a topic. An answer has no holes between its messages, although the server trims at any time: it trims from the older end, so the
 * messages that are not older than the oldest one held, as asked after all were read, are complete.
 *
 * The order of the requests is what makes this right: messages, then the oldest, then the stream. Asked in that order, an answer may
 * state too high a floor, which is a spurious gap, and never too low a one, which would be silent loss.
 */
export async function readHistory(request: HistoryRequest): Promise<History> {
  const { epoch, clock, bounds, base } = request;
  const begin = Math.max(request.after, base);
  let from = begin;
  const until = performance.now() + request.settings.timeoutMs;
  for (;;) {
    const page = await readPage(request, from);
    const stream = await epoch.info();
    const { head, through } = page;
    const isComplete = through >= head;
    const { messages } = page;
    const time = messages.reduce((latest, { at }) => Math.max(latest, at), clock.now());
    const excess = countExcess(messages, bounds, time, isComplete);
    // An answer without messages would mean that there are no more.
    if (excess === messages.length && !isComplete) {
      if (performance.now() > until) throw outrun(request);
      from = through;
      continue;
    }
    const removed = messages[excess - 1]?.offset ?? (from > begin ? from : base);
    const floor = Math.max(await floorOf(request, page, stream, time), removed);
    const newest = Math.max(head, messages.at(-1)?.offset ?? 0, floor);
    return { epoch: epochOf(stream).name, floor, head: newest, messages: messages.slice(excess), now: time };
  }
}

function outrun({ subject, settings }: HistoryRequest): CometError {
  return new CometError(
    "ERR_BROKER",
    `The stream trimmed ${subject} faster than it could be read, for ${settings.timeoutMs} ms.`,
  );
}

/** The number of messages that exceed the hub's bounds. Those of the stream may be wider. */
function countExcess(
  messages: readonly BrokerMessage[],
  { maxAgeMs, maxEntries }: LogBounds,
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

async function readPage(request: HistoryRequest, from: number): Promise<Page> {
  const { base, subject } = request;
  const newest = await get(request, { last_by_subj: subject });
  const head = newest === undefined || newest.offset <= base ? 0 : newest.offset;
  if (head === 0) return { from, messages: [], oldest: 0, head, through: from };
  const messages: BrokerMessage[] = [];
  await readOn(request, messages, from, head);
  const last = messages.at(-1)?.offset ?? from;
  const oldest = (await getNext(request, base + 1))?.offset ?? 0;
  // The server may have trimmed meanwhile. None is missing among the messages that are still held.
  const held = oldest === 0 ? [] : messages.filter(({ offset }) => offset >= oldest);
  const gone = oldest === 0 ? head : oldest - 1;
  return { from, messages: held, oldest, head, through: Math.max(last, Math.min(gone, head)) };
}

/** Adds the messages after an offset, until there is one with the offset `head` or a page is full. */
async function readOn(request: HistoryRequest, messages: BrokerMessage[], after: number, head: number): Promise<void> {
  const { link, settings, epoch, subject } = request;
  const singles = epoch.isReplicated ? SINGLE_MESSAGES_OF_LEADER : SINGLE_MESSAGES;
  let bytes = 0;
  let last = after;
  while (last < head && messages.length < singles && bytes < PAGE_BYTES) {
    const message = await getNext(request, last + 1);
    if (message === undefined) return;
    messages.push(message);
    bytes += message.json.length;
    last = message.offset;
  }
  if (epoch.isReplicated || last >= head || bytes >= PAGE_BYTES) return;
  const maxMessages = PAGE_ENTRIES - messages.length;
  const maxBytes = PAGE_BYTES - bytes;
  messages.push(
    ...(await consume(link, settings, { subject, from: last + 1, maxMessages, maxBytes, now: request.clock.now() })),
  );
}

/** The offset up to which messages may have been removed. */
async function floorOf(request: HistoryRequest, page: Page, stream: StreamInfo, now: number): Promise<number> {
  const { settings, known } = request;
  const { from, oldest } = page;
  // A message before `from` is held, so no later one has been removed.
  if (oldest > 0 && oldest <= from) return oldest - 1;
  const { firstInStream, count } = await countHeld(request, page, stream);
  // A message that left by age, or by the bytes of the stream, was older than all that the stream holds.
  const gone = Math.max(firstInStream - 1, 0);
  const isFull = count >= settings.maxEntries;
  const floor = oldest === 0 ? gone : isFull ? oldest - 1 : Math.min(gone, oldest - 1);
  const oldestAge = settings.maxAgeMs - AGE_MARGIN_MS;
  if (isFull || request.current >= oldestAge || settings.maxStreamBytes !== undefined) return floor;
  // All later messages are too young to have been removed; so are perhaps earlier ones.
  const had = known !== undefined && now - known.at >= oldestAge ? known.offset : 0;
  return Math.min(floor, Math.max(from, had));
}

/** The number of messages of the subject, and the first offset of the stream, at the same time or later. */
async function countHeld(
  request: HistoryRequest,
  page: Page,
  stream: StreamInfo,
): Promise<{ readonly firstInStream: number; readonly count: number }> {
  const { link, settings, subject } = request;
  const { messages, oldest, head, through } = page;
  const firstInStream = stream.state.first_seq;
  if (oldest === 0) return { firstInStream, count: 0 };
  // If no message has come since, the page has all of them. This request costs the server much less than a count.
  const newest = through < head ? undefined : await get(request, { last_by_subj: subject });
  if (newest?.offset === through) return { firstInStream, count: messages.length };
  const { state } = await streamInfo(link, settings, subject);
  return { firstInStream: state.first_seq, count: state.subjects?.[subject] ?? Infinity };
}

/** The first message of the subject with this offset or a greater one. */
function getNext(request: HistoryRequest, offset: number): Promise<BrokerMessage | undefined> {
  return get(request, { next_by_subj: request.subject, seq: offset });
}

/**
 * Gets one message. Any server that holds the stream answers a direct request, and one of several may lack a message that was just
 * published. With several servers the leader is asked, which costs more.
 */
async function get(request: HistoryRequest, query: object): Promise<BrokerMessage | undefined> {
  const { link, settings, epoch } = request;
  const { api, stream } = settings;
  if (epoch.isReplicated) return await getFromLeader(request, `${api}.STREAM.MSG.GET.${stream}`, query);
  const subject = `${api}.DIRECT.GET.${stream}`;
  const answer = await link.request({ subject, payload: JSON.stringify(query), unanswered: "ERR_BROKER" });
  return decodeDirect(answer, request.clock.now());
}

/** A message as JetStream's API returns it: headers and data are in Base64. */
interface StoredMessage {
  readonly seq: number;
  readonly hdrs?: string;
  readonly data?: string;
}

async function getFromLeader(
  { link, clock }: HistoryRequest,
  subject: string,
  query: object,
): Promise<BrokerMessage | undefined> {
  try {
    const { message } = await requestApi<{ message: StoredMessage }>(link, subject, query, "return a message");
    const [headers, json] = [message.hdrs, message.data].map((data = "") => Buffer.from(data, "base64").toString());
    return decodeMessage(message.seq, json as string, fieldsIn(headers as string), clock.now());
  } catch (error) {
    if (error instanceof JetStreamError && error.errCode === NO_MESSAGE_FOUND) return undefined;
    throw error;
  }
}

function decodeDirect(answer: Msg, now: number): BrokerMessage | undefined {
  const { headers } = answer;
  // A stored message may have a status of its own. Only a message has a sequence.
  const offset = offsetIn(headers, "Nats-Sequence");
  if (offset >= 1) return decodeMessage(offset, answer.string(), fieldsOf(headers), now);
  if (headers?.code === MESSAGE_NOT_FOUND) return undefined;
  throw new CometError("ERR_BROKER", `JetStream did not return a message: ${headers?.status ?? "no sequence"}.`);
}
