/**
 * Reads the headers and the query of requests. Everything here is input of strangers.
 *
 * All errors are `ERR_REQUEST` (400), unless they say otherwise.
 */

import { CometError, describe } from "../../core/errors.ts";
import { MAX_TAG_LENGTH } from "./append-id.ts";
import { checkContentType } from "./content.ts";
import type { ProducerTag } from "./producers.ts";

interface RequestHead {
  readonly headers: { get(name: string): string | null };
}

/** A request that creates a stream. */
export interface CreateRequest {
  /** The content type, if it is given. */
  readonly contentType: string | undefined;
  readonly ttlSeconds: number | undefined;
  /** In milliseconds since 1970. */
  readonly expiresAt: number | undefined;
  readonly isClosed: boolean;
  readonly fork: ForkRequest | undefined;
}

/** The part of a creation that names another stream to continue. */
export interface ForkRequest {
  /** The path of the other stream. */
  readonly path: string;
  /** The offset up to which it is copied; `undefined` for its present end. */
  readonly offset: string | undefined;
  /** The amount that is copied beyond that: messages of a stream of JSON, or bytes. */
  readonly beyond: number;
}

/** A request that appends or closes. */
export interface AppendRequest {
  readonly contentType: string | undefined;
  readonly isClosing: boolean;
  readonly producer: ProducerTag | undefined;
  readonly seq: string | undefined;
}

/** The query of a request that reads. */
export interface ReadRequest {
  readonly offset: string | undefined;
  readonly live: "sse" | "long-poll" | undefined;
  readonly cursor: string | null;
}

/** RFC 3339, 5.6. */
const timestamp = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

export function readCreate(request: RequestHead): CreateRequest {
  const ttl = request.headers.get("stream-ttl");
  const expires = request.headers.get("stream-expires-at");
  if (ttl !== null && expires !== null) {
    throw new CometError("ERR_REQUEST", "A stream has a Stream-TTL or a Stream-Expires-At, not both.");
  }
  return {
    contentType: readContentType(request),
    ttlSeconds: ttl === null ? undefined : readInteger("Stream-TTL", ttl),
    expiresAt: expires === null ? undefined : readTime(expires),
    isClosed: readClosed(request),
    fork: readFork(request),
  };
}

export function readAppend(request: RequestHead): AppendRequest {
  const seq = request.headers.get("stream-seq") ?? undefined;
  const producer = readProducer(request);
  const length = (seq?.length ?? 0) + (producer?.id.length ?? 0);
  if (length > MAX_TAG_LENGTH) {
    const limit = `have at most ${MAX_TAG_LENGTH} characters together, not ${length}`;
    throw new CometError("ERR_REQUEST", `Producer-Id and Stream-Seq ${limit}.`);
  }
  return { contentType: readContentType(request), isClosing: readClosed(request), producer, seq };
}

/** @throws {CometError} `ERR_PARAMETER` (400) for a parameter that is repeated or has an invalid value. */
export function readRead(query: URLSearchParams): ReadRequest {
  const offset = single(query, "offset");
  const live = single(query, "live");
  if (offset === "") throw new CometError("ERR_PARAMETER", "offset is empty.");
  if (live !== undefined && live !== "sse" && live !== "long-poll") {
    throw new CometError("ERR_PARAMETER", `live must be sse or long-poll, not ${describe(live)}.`);
  }
  if (live !== undefined && offset === undefined) {
    throw new CometError("ERR_PARAMETER", "A live read needs the parameter offset: -1 for the beginning.");
  }
  return { offset, live, cursor: query.get("cursor") };
}

function single(query: URLSearchParams, name: string): string | undefined {
  const [value, ...more] = query.getAll(name);
  if (more.length > 0) throw new CometError("ERR_PARAMETER", `${name} is given more than once.`);
  return value;
}

function readContentType({ headers }: RequestHead): string | undefined {
  const type = headers.get("content-type");
  return type === null || type === "" ? undefined : checkContentType(type);
}

/** Any value but `true` is the same as none. */
function readClosed({ headers }: RequestHead): boolean {
  return headers.get("stream-closed")?.toLowerCase() === "true";
}

function readFork({ headers }: RequestHead): ForkRequest | undefined {
  const path = headers.get("stream-forked-from");
  const offset = headers.get("stream-fork-offset") ?? undefined;
  const beyond = headers.get("stream-fork-sub-offset");
  if (path === null) {
    if (offset === undefined && beyond === null) return undefined;
    throw new CometError("ERR_REQUEST", "Stream-Fork-Offset and Stream-Fork-Sub-Offset need Stream-Forked-From.");
  }
  const count = beyond === null ? 0 : readInteger("Stream-Fork-Sub-Offset", beyond);
  if (count > 0 && offset === undefined) {
    throw new CometError("ERR_REQUEST", "Stream-Fork-Sub-Offset needs Stream-Fork-Offset.");
  }
  return { path, offset, beyond: count };
}

function readProducer({ headers }: RequestHead): ProducerTag | undefined {
  const [id, epoch, seq] = ["producer-id", "producer-epoch", "producer-seq"].map((name) => headers.get(name));
  if (id === null && epoch === null && seq === null) return undefined;
  if (typeof id !== "string" || typeof epoch !== "string" || typeof seq !== "string") {
    throw new CometError("ERR_REQUEST", "Producer-Id, Producer-Epoch and Producer-Seq come together.");
  }
  if (id === "") throw new CometError("ERR_REQUEST", "Producer-Id is empty.");
  return { id, epoch: readInteger("Producer-Epoch", epoch), seq: readInteger("Producer-Seq", seq) };
}

function readInteger(name: string, text: string): number {
  const value = /^(?:0|[1-9]\d*)$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new CometError("ERR_REQUEST", `${name} must be a whole number from 0 to 2^53 - 1, not ${describe(text)}.`);
}

function readTime(text: string): number {
  const time = timestamp.test(text) ? Date.parse(text) : NaN;
  if (!Number.isNaN(time)) return time;
  throw new CometError("ERR_REQUEST", `Stream-Expires-At must be a time of RFC 3339, not ${describe(text)}.`);
}
