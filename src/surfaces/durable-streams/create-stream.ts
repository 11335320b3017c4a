import { CometError } from "../../core/errors.ts";
import { randomName } from "../../core/random-name.ts";
import type { Answer } from "../../hub/admission/answer.ts";
import type { Publication } from "../../log/entry.ts";
import { answerHeaders } from "./answer-headers.ts";
import { checkContentType, kindOf, mediaTypeOf } from "./content.ts";
import type { DurableStream } from "./durable-stream.ts";
import { encodeBody } from "./encode-body.ts";
import { forkOf, type Fork } from "./fork.ts";
import type { NewStream } from "./registry.ts";
import { readBody, type StreamCall } from "./stream-call.ts";
import { readCreate, type CreateRequest } from "./stream-requests.ts";

const DEFAULT_TYPE = "application/octet-stream";

/** Answers `PUT`: creates a stream, unless there is one that was created with the same request. */
export async function createStream(call: StreamCall): Promise<Answer> {
  const { access, registry, name } = call;
  await call.authorize(name, "create");
  const create = readCreate(call.request);
  const sourceName = create.fork && call.nameOf(create.fork.path);
  if (sourceName !== undefined) await call.authorize(sourceName, "read");
  const body = await readBody(call);
  const asked = textOf(create);
  const known = await registry.find(name);
  if (known !== undefined) return existing(call, known, create, asked);
  const fork = create.fork && sourceName !== undefined ? await forkOf(call, sourceName, create.fork) : undefined;
  if (fork !== undefined) assertSameType(create, fork);
  const contentType = create.contentType ?? fork?.source.config.contentType ?? DEFAULT_TYPE;
  const messages: Publication[] = [...(fork?.messages ?? []), ...encodeBody(access, kindOf(contentType), body)];
  const config = configOf(create, contentType, asked, fork);
  const { stream, isNew } = await registry.create({ name, config, messages, isClosed: create.isClosed, fork });
  return isNew ? created(call, stream, 201) : existing(call, stream, create, asked);
}

/** Answers a creation of a stream that exists. @throws {CometError} `ERR_CONFLICT` unless it is what was asked for. */
function existing(call: StreamCall, stream: DurableStream, { isClosed }: CreateRequest, asked: string): Answer {
  if (!stream.isDeleted && stream.config.asked === asked && stream.isClosed === isClosed) {
    return created(call, stream, 200);
  }
  const why = stream.isDeleted
    ? "A stream of this name is deleted, and there are forks of it."
    : "A stream of this name exists, with another content type, lifetime, origin or state.";
  throw new CometError("ERR_CONFLICT", why);
}

function created({ screened, request, url }: StreamCall, stream: DurableStream, status: 200 | 201): Answer {
  const headers = answerHeaders(screened, {
    "content-type": stream.config.contentType,
    "stream-next-offset": stream.tailOffset,
    "stream-closed": stream.isClosed && "true",
    location: status === 201 && (request.origin ?? url.origin) + url.pathname,
  });
  return { status, headers, body: "" };
}

/** Writes what a creation asks for, except whether the stream is closed, which changes later. */
function textOf({ contentType, ttlSeconds, expiresAt, fork }: CreateRequest): string {
  const type = contentType ?? (fork === undefined ? DEFAULT_TYPE : undefined);
  const source = fork && [fork.path, fork.offset, fork.beyond];
  return JSON.stringify([type && mediaTypeOf(type), ttlSeconds, expiresAt, source]);
}

/** Returns what a stream is created with. A fork has the lifetime of its source, unless the request says otherwise. */
function configOf(
  { ttlSeconds, expiresAt }: CreateRequest,
  contentType: string,
  asked: string,
  fork: Fork | undefined,
): NewStream["config"] {
  const isOwn = fork === undefined || ttlSeconds !== undefined || expiresAt !== undefined;
  const lifetime = isOwn ? { ttlSeconds, expiresAt } : fork.source.config;
  return {
    id: randomName(12),
    contentType: checkContentType(contentType),
    ttlSeconds: lifetime.ttlSeconds,
    expiresAt: lifetime.expiresAt,
    asked,
  };
}

function assertSameType({ contentType }: CreateRequest, { source }: Fork): void {
  const type = source.config.contentType;
  if (contentType === undefined || mediaTypeOf(contentType) === mediaTypeOf(type)) return;
  throw new CometError("ERR_CONFLICT", `A fork has the content type of its source, which is ${type}.`);
}
