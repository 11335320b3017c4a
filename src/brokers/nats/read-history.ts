import type { Msg } from "@nats-io/transport-node";
import { CometError } from "../../core/errors.ts";
import type { BrokerMessage, History } from "../../log/broker.ts";
import type { LogBounds } from "../../log/entry.ts";
import { consume } from "./consumer.ts";
import type { Link } from "./link.ts";
import { decodeMessage, fieldsIn, fieldsOf } from "./message.ts";
import type { Settings } from "./options.ts";
import { ApiError, askApi, epochOf, streamInfo, type StreamInfo } from "./stream.ts";

/** How much one answer holds, about. */
const PAGE_ENTRIES = 1000;
const PAGE_BYTES = 1_048_576;

/** How many messages are asked for one by one, before a consumer is made: that costs the server about as much as a hundred of them. */
const SINGLE_MESSAGES = 24;
/** The same in a cluster, where none is made: it may be given to a server that is down, and then nothing answers. */
const SINGLE_MESSAGES_OF_LEADER = 256;

/** How much sooner than `maxAgeMs` a message is taken to be perhaps too old, in milliseconds. */
const AGE_MARGIN_MS = 1000;

/** How a direct request, and the API, say that there is no such message. */
const MESSAGE_NOT_FOUND = 404;
const NO_MESSAGE_FOUND = 10037;

/** The newest message of a topic that the hub was told of, or given. */
export interface Known {
  readonly offset: number;
  readonly at: number;
}

/** A topic that is read. */
export interface Reading {
  readonly link: Link;
  readonly settings: Settings;
  readonly subject: string;
  readonly after: number;
  readonly bounds: LogBounds;
  readonly current: number;
  /** Messages up to this offset are of another epoch. */
  readonly base: number;
  readonly known: Known | undefined;
  /** Whether several servers hold the stream. */
  readonly isReplicated: boolean;
  /** What is told of the stream after this is called. */
  readonly info: () => Promise<StreamInfo>;
  /** The server's clock. */
  readonly now: () => number;
}

/** Some messages of a subject, and what is known of them at one moment. */
interface Page {
  readonly from: number;
  readonly messages: readonly BrokerMessage[];
  /** The offsets of the oldest and of the newest message that were held; 0 if there was none. */
  readonly oldest: number;
  readonly head: number;
  /** Up to which offset there are no other messages than these. */
  readonly through: number;
}

/**
 * Reads a topic. Nothing may be missing between the messages of an answer, though the server trims at any time: what is gone is gone
 * from the older end, so what is not older than the oldest message held, once all have been read, is all there.
 */
export async function readHistory(reading: Reading): Promise<History> {
  const { info, now, bounds, base } = reading;
  const begin = Math.max(reading.after, base);
  let from = begin;
  const until = performance.now() + reading.settings.timeoutMs;
  for (;;) {
    const page = await readPage(reading, from);
    // Asked after the messages, it may say too much is gone, and never too little.
    const stream = await info();
    const { head, through } = page;
    const isComplete = through >= head;
    // What no hub has published is no message.
    const messages = page.messages.filter(({ at }) => at > 0);
    const time = messages.reduce((latest, { at }) => Math.max(latest, at), now());
    const cut = countOver(messages, bounds, time, isComplete);
    // An answer without a message is one to which there are no more.
    if (cut === messages.length && !isComplete) {
      if (performance.now() > until) throw outrun(reading);
      from = through;
      continue;
    }
    const dropped = messages[cut - 1]?.offset ?? (from > begin ? from : base);
    const floor = Math.max(await floorOf(reading, page, stream, time), dropped);
    const newest = Math.max(head, messages.at(-1)?.offset ?? 0, floor);
    return { epoch: epochOf(stream).name, floor, head: newest, messages: messages.slice(cut), now: time };
  }
}

function outrun({ subject, settings }: Reading): CometError {
  return new CometError("ERR_BROKER", `${subject} is trimmed faster than read, for ${settings.timeoutMs} ms.`);
}

/** How many of these are over the bounds. Those of the stream may be wider. */
function countOver(
  messages: readonly BrokerMessage[],
  { maxAgeMs, maxEntries }: LogBounds,
  now: number,
  isComplete: boolean,
): number {
  let over = isComplete ? Math.max(0, messages.length - maxEntries) : 0;
  while (over < messages.length && now - (messages[over] as BrokerMessage).at > maxAgeMs) over += 1;
  return over;
}

async function readPage(reading: Reading, from: number): Promise<Page> {
  const { base, subject } = reading;
  const newest = await get(reading, { last_by_subj: subject });
  const head = newest === undefined || newest.offset <= base ? 0 : newest.offset;
  if (head === 0) return { from, messages: [], oldest: 0, head, through: from };
  const messages: BrokerMessage[] = [];
  await readOn(reading, messages, from, head);
  const last = messages.at(-1)?.offset ?? from;
  const oldest = (await next(reading, base + 1))?.offset ?? 0;
  // The server may have trimmed meanwhile. Of those that are still there none is missing.
  const held = oldest === 0 ? [] : messages.filter(({ offset }) => offset >= oldest);
  const gone = oldest === 0 ? head : oldest - 1;
  return { from, messages: held, oldest, head, through: Math.max(last, Math.min(gone, head)) };
}

/** Adds the messages after an offset, until there is one with the offset `head` or a page is full. */
async function readOn(reading: Reading, messages: BrokerMessage[], after: number, head: number): Promise<void> {
  const { link, settings, subject, isReplicated } = reading;
  const singles = isReplicated ? SINGLE_MESSAGES_OF_LEADER : SINGLE_MESSAGES;
  let bytes = 0;
  let last = after;
  while (last < head && messages.length < singles && bytes < PAGE_BYTES) {
    const message = await next(reading, last + 1);
    if (message === undefined) return;
    messages.push(message);
    bytes += message.json.length;
    last = message.offset;
  }
  if (isReplicated || last >= head || bytes >= PAGE_BYTES) return;
  const maxMessages = PAGE_ENTRIES - messages.length;
  const maxBytes = PAGE_BYTES - bytes;
  messages.push(...(await consume(link, settings, { subject, from: last + 1, maxMessages, maxBytes })));
}

/** Up to which offset messages may be gone. */
async function floorOf(reading: Reading, page: Page, stream: StreamInfo, now: number): Promise<number> {
  const { settings, known } = reading;
  const { from, oldest } = page;
  // One of those before is held, so that none of those after is gone.
  if (oldest > 0 && oldest <= from) return oldest - 1;
  const { firstInStream, count } = await countHeld(reading, page, stream);
  // What left for its age, or for the bytes of the stream, was older than all that the stream holds.
  const gone = Math.max(firstInStream - 1, 0);
  const isFull = count >= settings.maxEntries;
  const floor = oldest === 0 ? gone : isFull ? oldest - 1 : Math.min(gone, oldest - 1);
  const oldestAge = settings.maxAgeMs - AGE_MARGIN_MS;
  if (isFull || reading.current >= oldestAge || settings.maxStreamBytes !== undefined) return floor;
  // All that came since then is too young to be gone; and so may be what came before.
  const had = known !== undefined && now - known.at >= oldestAge ? known.offset : 0;
  return Math.min(floor, Math.max(from, had));
}

/** How many messages of the subject are held, and the offset of the first of the stream, asked for at the same time or later. */
async function countHeld(
  reading: Reading,
  page: Page,
  stream: StreamInfo,
): Promise<{ readonly firstInStream: number; readonly count: number }> {
  const { link, settings, subject } = reading;
  const { messages, oldest, head, through } = page;
  const firstInStream = stream.state.first_seq;
  if (oldest === 0) return { firstInStream, count: 0 };
  // Those of the page are all if none has come since. To have them counted costs the server much more than this.
  const newest = through < head ? undefined : await get(reading, { last_by_subj: subject });
  if (newest?.offset === through) return { firstInStream, count: messages.length };
  const { state } = await streamInfo(link, settings, subject);
  return { firstInStream: state.first_seq, count: state.subjects?.[subject] ?? Infinity };
}

/** The first message of the subject with this offset or a greater one. */
function next(reading: Reading, offset: number): Promise<BrokerMessage | undefined> {
  return get(reading, { next_by_subj: reading.subject, seq: offset });
}

/**
 * One message. A direct request is answered by any server that holds the stream, and one of several may not have yet what was just
 * published; then the leader is asked, who costs more.
 */
async function get(reading: Reading, request: object): Promise<BrokerMessage | undefined> {
  const { link, settings, isReplicated } = reading;
  const { api, stream } = settings;
  if (isReplicated) return await getFromLeader(link, `${api}.STREAM.MSG.GET.${stream}`, request);
  const subject = `${api}.DIRECT.GET.${stream}`;
  const answer = await link.ask({ subject, payload: JSON.stringify(request), unanswered: "ERR_BROKER" });
  return decodeDirect(answer);
}

/** A message as JetStream's API gives it: headers and data are in Base64. */
interface StoredMessage {
  readonly seq: number;
  readonly hdrs?: string;
  readonly data?: string;
}

async function getFromLeader(link: Link, subject: string, request: object): Promise<BrokerMessage | undefined> {
  try {
    const { message } = await askApi<{ message: StoredMessage }>(link, subject, request, "give a message");
    const [headers, json] = [message.hdrs, message.data].map((data = "") => Buffer.from(data, "base64").toString());
    return decodeMessage(message.seq, json as string, fieldsIn(headers as string));
  } catch (error) {
    if (error instanceof ApiError && error.number === NO_MESSAGE_FOUND) return undefined;
    throw error;
  }
}

function decodeDirect(answer: Msg): BrokerMessage | undefined {
  const { headers } = answer;
  const code = headers?.code ?? 0;
  if (code === MESSAGE_NOT_FOUND) return undefined;
  const offset = Number(headers?.get("Nats-Sequence"));
  if (code > 0 || !Number.isSafeInteger(offset) || offset < 1) {
    throw new CometError("ERR_BROKER", `JetStream does not give a message: ${headers?.status ?? "no sequence"}.`);
  }
  return decodeMessage(offset, answer.string(), fieldsOf(headers));
}
