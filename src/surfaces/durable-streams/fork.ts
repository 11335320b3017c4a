import { CometError } from "../../core/errors.ts";
import type { Publication } from "../../log/entry.ts";
import type { OlderMessage } from "../../log/older.ts";
import { utf8Length } from "../../core/utf8.ts";
import { jsonString } from "../../wire/literal.ts";
import { bodyOf } from "./content.ts";
import { toBase64 } from "./base64.ts";
import type { DurableStream } from "./durable-stream.ts";
import { noStream } from "./problem.ts";
import type { NewFork } from "./registry.ts";
import type { StreamCall } from "./stream-call.ts";
import type { ForkRequest } from "./stream-requests.ts";

/** The most forks of one stream: its control topic names them all. */
const MAX_FORKS = 1000;

/** A fork to create, with a copy of the messages that it begins with. */
export interface Fork extends NewFork {
  readonly messages: readonly Publication[];
}

/**
 * Prepares a fork: finds its source, and copies the messages that it begins with.
 *
 * The copy is what the fork's topic begins with, so that its readers on every wire have the whole stream, and the source may be deleted.
 *
 * @returns Rejects with `ERR_TOPIC_UNKNOWN` (404) if there is no source, `ERR_CONFLICT` (409) if it is deleted, `ERR_REQUEST` (400) for an
 *   offset that it does not have, and `ERR_TOPIC_EXPIRED` (410) if it does not keep its first messages any more.
 */
export async function forkOf(
  { registry }: StreamCall,
  name: string,
  { path, offset, beyond }: ForkRequest,
): Promise<Fork> {
  const source = await registry.find(name);
  if (source === undefined) throw noStream();
  if (source.isDeleted) throw new CometError("ERR_CONFLICT", "The stream to fork is deleted.");
  if (source.forks >= MAX_FORKS) {
    throw new CometError("ERR_LIMIT", `The stream to fork has ${MAX_FORKS} forks, which is the limit.`);
  }
  const begin = source.numberOf(undefined);
  const through = offset === undefined ? source.tail : placeOf(source, offset);
  const copied = await source.messages(begin, Infinity, through);
  const rest = beyond === 0 ? [] : await restOf(source, through, beyond);
  const { lineage: older = [] } = source.config.fork ?? {};
  const own = { through, epoch: source.topic.log.epoch };
  const lineage = [...older.filter((one) => one.through < through), own];
  return {
    source,
    from: path,
    begin,
    lineage,
    messages: [...copied.map(copyOf), ...rest],
  };
}

/** Returns the number of an offset. One of a stream that was deleted is as malformed as any. */
function placeOf(source: DurableStream, offset: string): number {
  try {
    return source.numberOf(offset);
  } catch (cause) {
    throw new CometError("ERR_REQUEST", "Stream-Fork-Offset is not an offset of the stream to fork.", { cause });
  }
}

/** Returns the messages beyond the offset: as many as were asked for, or a piece of the next one. */
async function restOf(source: DurableStream, from: number, beyond: number): Promise<Publication[]> {
  if (source.kind === "json") {
    const messages = (await source.messages(from, Infinity)).slice(0, beyond);
    if (messages.length < beyond) throw beyondEnd();
    return messages.map(copyOf);
  }
  const [next] = await source.messages(from, 1);
  const bytes = next === undefined ? new Uint8Array() : bodyOf(source.kind, [next]);
  if (bytes.length < beyond) throw beyondEnd();
  const piece = bytes.subarray(0, beyond);
  return [publicationOf(source.kind === "text" ? decode(piece) : toBase64(piece))];
}

function beyondEnd(): CometError {
  return new CometError("ERR_REQUEST", "Stream-Fork-Sub-Offset is beyond the next message of the stream to fork.");
}

/** Decodes a piece of a text, whose last character may be cut. */
function decode(piece: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(piece);
  } catch (cause) {
    throw new CometError("ERR_REQUEST", "Stream-Fork-Sub-Offset cuts a character of the stream to fork.", { cause });
  }
}

/** Returns a message without what names its producer: a fork has none of those of its source. */
function copyOf({ json, text, event, key, bytes }: OlderMessage): Publication {
  return { json, text, event, key, messageId: undefined, bytes };
}

function publicationOf(text: string): Publication {
  const json = jsonString(text);
  return { json, text, event: undefined, key: undefined, messageId: undefined, bytes: utf8Length(json) };
}
