import type { Msg } from "@nats-io/transport-node";
import { CometError } from "../../core/errors.ts";
import { consume } from "./consume.ts";
import { JetStreamError, requestApi } from "./jetstream-api.ts";
import { decodeEntry, fieldsIn, fieldsOf, offsetIn, type StoredEntry } from "./message-codec.ts";
import type { NatsSettings } from "./nats-broker-options.ts";
import type { NatsLink } from "./nats-link.ts";
import type { ServerClock } from "./server-clock.ts";
import type { StreamEpoch } from "./stream-epoch.ts";

/** The size of one page, approximately. */
const PAGE_ENTRIES = 1000;
const PAGE_BYTES = 1_048_576;

/** Messages that are requested one by one before a consumer is created, which costs the server as much as about a hundred requests. */
const SINGLE_MESSAGES = 24;
/** The same in a cluster. A consumer is never created there: it may be placed on a server that is down, and then does not answer. */
const SINGLE_MESSAGES_OF_LEADER = 256;

/** The codes of a direct request, and of the API, for a message that does not exist. */
const MESSAGE_NOT_FOUND = 404;
const NO_MESSAGE_FOUND = 10037;

/** The parts of the broker that read one subject of the stream. */
export interface EntrySource {
  readonly link: NatsLink;
  readonly settings: NatsSettings;
  readonly epoch: StreamEpoch;
  readonly clock: ServerClock;
  readonly subject: string;
}

/** A stored message of the stream, not decoded. */
export interface RawEntry {
  readonly offset: number;
  readonly data: string;
  readonly fields: string;
  /** The time when the server stored it, in milliseconds since 1970; NaN if the server does not state it. */
  readonly storedAt: number;
}

/** The newest entry of the subject. */
export function getNewest(source: EntrySource): Promise<StoredEntry | undefined> {
  return getEntry(source, { last_by_subj: source.subject });
}

/** The first entry of the subject with this offset or a greater one. */
export function getNext(source: EntrySource, offset: number): Promise<StoredEntry | undefined> {
  return getEntry(source, { next_by_subj: source.subject, seq: offset });
}

/** Returns the entries after an offset, until there is one with the offset `head` or later, or a page is full. */
export async function readPageAfter(source: EntrySource, after: number, head: number): Promise<StoredEntry[]> {
  const { link, settings, epoch, clock, subject } = source;
  const entries: StoredEntry[] = [];
  const singles = epoch.isReplicated ? SINGLE_MESSAGES_OF_LEADER : SINGLE_MESSAGES;
  let bytes = 0;
  let last = after;
  while (last < head && entries.length < singles && bytes < PAGE_BYTES) {
    const entry = await getNext(source, last + 1);
    if (entry === undefined) return entries;
    entries.push(entry);
    bytes += entry.message.json.length;
    last = entry.message.offset;
  }
  if (epoch.isReplicated || last >= head || bytes >= PAGE_BYTES) return entries;
  const maxMessages = PAGE_ENTRIES - entries.length;
  const maxBytes = PAGE_BYTES - bytes;
  const request = { subject, from: last + 1, maxMessages, maxBytes, now: clock.now() };
  return [...entries, ...(await consume(link, settings, request))];
}

/**
 * Gets one message of the stream. Any server that holds the stream answers a direct request, and one of several may lack a message that
 * was just published. With several servers the leader is asked, which costs more.
 */
export async function getRaw(source: Omit<EntrySource, "subject">, query: object): Promise<RawEntry | undefined> {
  const { link, settings, epoch } = source;
  const { api, stream } = settings;
  if (epoch.isReplicated) return await getFromLeader(link, `${api}.STREAM.MSG.GET.${stream}`, query);
  const subject = `${api}.DIRECT.GET.${stream}`;
  const answer = await link.request({ subject, payload: JSON.stringify(query), unanswered: "ERR_BROKER" });
  return decodeDirect(answer);
}

async function getEntry(source: EntrySource, query: object): Promise<StoredEntry | undefined> {
  const raw = await getRaw(source, query);
  return raw === undefined ? undefined : decodeEntry(raw.offset, raw.data, raw.fields, source.clock.now());
}

/** A message as JetStream's API returns it: headers and data are in Base64. */
interface StoredMessage {
  readonly seq: number;
  readonly hdrs?: string;
  readonly data?: string;
  readonly time?: string;
}

async function getFromLeader(link: NatsLink, subject: string, query: object): Promise<RawEntry | undefined> {
  try {
    const { message } = await requestApi<{ message: StoredMessage }>(link, subject, query, "return a message");
    const [encoded = "", data = ""] = [message.hdrs, message.data].map((text = "") =>
      Buffer.from(text, "base64").toString(),
    );
    return { offset: message.seq, data, fields: fieldsIn(encoded), storedAt: Date.parse(message.time ?? "") };
  } catch (error) {
    if (error instanceof JetStreamError && error.errCode === NO_MESSAGE_FOUND) return undefined;
    throw error;
  }
}

function decodeDirect(answer: Msg): RawEntry | undefined {
  const { headers } = answer;
  // A stored message may have a status of its own. Only a message has a sequence.
  const offset = offsetIn(headers, "Nats-Sequence");
  if (offset >= 1) {
    const storedAt = Date.parse(headers?.values("Nats-Time-Stamp").at(-1) ?? "");
    return { offset, data: answer.string(), fields: fieldsOf(headers), storedAt };
  }
  if (headers?.code === MESSAGE_NOT_FOUND) return undefined;
  throw new CometError("ERR_BROKER", `JetStream did not return a message: ${headers?.status ?? "no sequence"}.`);
}
