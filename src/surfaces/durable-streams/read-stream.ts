import { now } from "../../core/clock.ts";
import type { Answer } from "../../hub/admission/answer.ts";
import type { Grant } from "../../hub/admission/authorize.ts";
import { addCoding, negotiateCoding } from "../../hub/admission/content-coding.ts";
import { isAdmission, type Decision } from "../../hub/admission/decision.ts";
import { answerHeaders } from "./answer-headers.ts";
import { findStream } from "./append-stream.ts";
import type { DurableStream } from "./durable-stream.ts";
import { noStream } from "./problem.ts";
import type { StreamCall } from "./stream-call.ts";
import { readRead, type ReadRequest } from "./stream-requests.ts";

/** The age in milliseconds at which a live stream ends, so that a cache between may join readers anew. The protocol proposes it. */
const MAX_LIVE_AGE_MS = 60_000;

/** The caching of a part of a stream, which never changes. The protocol proposes it. */
const CACHED = "max-age=60, stale-while-revalidate=300";

/** Answers `HEAD`. It is no read, from which `Stream-TTL` would count. */
export async function describeStream(call: StreamCall): Promise<Answer> {
  await call.authorize(call.name, "read");
  const stream = await findStream(call);
  const { contentType, ttlSeconds, expiresAt } = stream.config;
  const headers = answerHeaders(call.screened, {
    "content-type": contentType,
    "stream-next-offset": stream.tailOffset,
    "stream-closed": stream.isClosed && "true",
    "stream-ttl": ttlSeconds === undefined ? undefined : String(ttlSeconds),
    "stream-expires-at": expiresAt === undefined ? undefined : new Date(expiresAt).toISOString(),
  });
  return { status: 200, headers, body: "" };
}

/** Answers `GET`: with the messages after an offset, at once or as soon as there are any, or with a stream of them. */
export async function readStream(call: StreamCall): Promise<Decision> {
  const read = readRead(call.url.searchParams);
  const grant = await call.authorize(call.name, "read");
  const stream = await findStream(call);
  const from = stream.numberOf(read.offset);
  await call.registry.touch(stream);
  if (read.live === "sse") return follow(call, stream, read, from, grant);
  if (read.live === undefined) return partAnswer(call, stream, read, from);
  await waitForMore(call, stream, from, grant);
  if (stream.tail > from) return partAnswer(call, stream, read, from);
  const headers = answerHeaders(call.screened, {
    "stream-next-offset": stream.tailOffset,
    "stream-up-to-date": "true",
    "stream-cursor": stream.cursor.after(read.cursor),
    "stream-closed": stream.isClosed && "true",
  });
  return { status: 204, headers, body: "" };
}

/** Returns the messages after a number as an answer. */
async function partAnswer(
  call: StreamCall,
  stream: DurableStream,
  { offset, live, cursor }: ReadRequest,
  from: number,
): Promise<Answer> {
  const { next, body } = await stream.read(from);
  const isUpToDate = next >= stream.tail;
  const isEnd = isUpToDate && stream.isClosed;
  const etag = `"${stream.config.id}:${from}:${next}${isEnd ? ":c" : ""}"`;
  // The newest place of a stream is another one a moment later.
  const isKept = next > from && offset !== "now";
  const values = {
    "content-type": stream.config.contentType,
    "cache-control": isKept && `${call.isPublic ? "public" : "private"}, ${CACHED}`,
    etag: offset !== "now" && etag,
    "stream-next-offset": stream.offsetOf(next),
    "stream-cursor": live !== undefined && stream.cursor.after(cursor),
    "stream-up-to-date": isUpToDate && "true",
    "stream-closed": isEnd && "true",
  };
  if (offset !== "now" && call.request.headers.get("if-none-match") === etag) {
    return { status: 304, headers: answerHeaders(call.screened, { ...values, "content-type": false }), body: "" };
  }
  return { status: 200, headers: answerHeaders(call.screened, values), body: "", bytes: body };
}

/**
 * Waits until a stream has more than a number, is closed, or the hub's `pollMs` have passed. A request that waits takes a place of the
 * hub's connections.
 *
 * @returns Rejects with `ERR_LIMIT` and `ERR_RATE` if there is no place, and with `ERR_TOPIC_UNKNOWN` if the stream is deleted.
 */
async function waitForMore(call: StreamCall, stream: DurableStream, from: number, grant: Grant): Promise<void> {
  const { access, screened, options } = call;
  const isReady = (): boolean => stream.tail > from || stream.isClosed || stream.isGone;
  if (isReady()) return;
  const identity = grant.identity ?? options.identity;
  const place = access.capacity.take({ identity, address: screened.address, isReturning: from > stream.begin });
  const until = now() + access.settings.pollMs;
  await new Promise<void>((resolve) => {
    const stop = stream.watch(() => {
      if (!isReady() && now() < until && !access.capacity.isClosed) return;
      stop();
      resolve();
    });
    access.sweeper.start();
  });
  place.free(false);
  if (stream.isGone) throw noStream();
}

/** Opens a live stream: a connection of the hub, which gets its bytes by the passes of the topic's other subscribers. */
async function follow(
  call: StreamCall,
  stream: DurableStream,
  { cursor }: ReadRequest,
  from: number,
  grant: Grant,
): Promise<Decision> {
  const { access, screened, options, name } = call;
  stream.cursor.after(cursor);
  const headers = answerHeaders(screened, {
    "content-type": "text/event-stream",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
    "stream-sse-data-encoding": stream.kind === "binary" && "base64",
  });
  const coding = negotiateCoding(call.request, "sse", [name], headers, access.settings);
  addCoding(headers, coding);
  const request = {
    format: stream.format,
    topics: [name],
    positions: new Map([[name, stream.positionOf(from)]]),
    from: undefined,
    waits: true,
    isPacked: coding === "gzip",
    maxAgeMs: MAX_LIVE_AGE_MS,
  };
  const identity = grant.identity ?? options.identity;
  const claim = { identity, address: screened.address, isReturning: from > stream.begin };
  // A topic that conflates its messages would leave some out.
  const decision = await access.gate.admit(request, headers, { ...options, overflow: "resume" }, grant, claim);
  if (!stream.isGone) return decision;
  if (isAdmission(decision)) decision.release();
  throw noStream();
}
