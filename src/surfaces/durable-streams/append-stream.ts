import { CometError } from "../../core/errors.ts";
import type { Answer } from "../../hub/admission/answer.ts";
import { answerHeaders } from "./answer-headers.ts";
import { mediaTypeOf } from "./content.ts";
import type { DurableStream } from "./durable-stream.ts";
import { encodeBody } from "./encode-body.ts";
import { deletedStream, noStream, StreamProblem } from "./problem.ts";
import { isSameTag, type ProducerTag } from "./producers.ts";
import { readBody, type StreamCall } from "./stream-call.ts";
import { readAppend, type AppendRequest } from "./stream-requests.ts";

/** Returns a stream that exists. @throws {CometError} `ERR_TOPIC_UNKNOWN` (404); `ERR_TOPIC_EXPIRED` (410) if only forks of it exist. */
export async function findStream({ registry, name }: StreamCall): Promise<DurableStream> {
  const stream = await registry.find(name);
  if (stream === undefined) throw noStream();
  if (stream.isDeleted) throw deletedStream();
  return stream;
}

/** Answers `POST`: appends to a stream, closes it, or both. */
export async function appendToStream(call: StreamCall): Promise<Answer> {
  const append = readAppend(call.request);
  await call.authorize(call.name, append.isClosing ? "close" : "append");
  await findStream(call);
  const body = await readBody(call);
  const stream = await findStream(call);
  if (body.length === 0 && !append.isClosing) throw new CometError("ERR_REQUEST", "The body is empty.");
  const { status, producerSeq } = await stream.inTurn(() => appendInTurn(call, stream, append, body));
  await call.registry.touch(stream);
  await stream.paced();
  const { producer } = append;
  const headers = answerHeaders(call.screened, {
    "stream-next-offset": stream.tailOffset,
    "stream-closed": stream.isClosed && "true",
    "producer-epoch": producer && String(producer.epoch),
    "producer-seq": producerSeq === undefined ? undefined : String(producerSeq),
  });
  return { status, headers, body: "" };
}

interface Appended {
  readonly status: 200 | 204;
  /** The newest number of its producer. */
  readonly producerSeq: number | undefined;
}

/** Appends, unless another request has done so before. No other append of the stream runs meanwhile. */
async function appendInTurn(
  call: StreamCall,
  stream: DurableStream,
  append: AppendRequest,
  body: Uint8Array,
): Promise<Appended> {
  await stream.refresh();
  if (stream.isGone) throw noStream();
  const { producer, isClosing, seq } = append;
  if (stream.isClosed) return repeatedClose(stream, append, body);
  if (body.length > 0) assertType(stream, append);
  const check = producer === undefined ? "new" : stream.producers.check(producer);
  if (check !== "new") {
    // A process may have died between an append and the close that came with it.
    if (isClosing && check === producer?.seq) await close(call, stream, producer);
    return { status: 204, producerSeq: check };
  }
  assertSeq(stream, seq);
  const messages = encodeBody(call.access, stream.kind, body);
  if (body.length > 0 && messages.length === 0) throw new CometError("ERR_REQUEST", "An append of no messages: [].");
  await stream.publish(messages, { producer, seq });
  if (isClosing) await close(call, stream, producer);
  return { status: producer !== undefined && body.length > 0 ? 200 : 204, producerSeq: producer?.seq };
}

async function close(
  { registry }: StreamCall,
  stream: DurableStream,
  producer: ProducerTag | undefined,
): Promise<void> {
  if (producer !== undefined) await registry.closing(stream, producer);
  await stream.close();
}

/** Answers an append to a closed stream: only the one that has closed it, and a close without a body, may be repeated. */
function repeatedClose(stream: DurableStream, { producer, isClosing }: AppendRequest, body: Uint8Array): Appended {
  const isClose = isClosing && body.length === 0 && producer === undefined;
  if (isClose || isSameTag(stream.closedBy, producer)) return { status: 204, producerSeq: producer?.seq };
  throw new StreamProblem("ERR_ENDED", "The stream is closed.", {
    "stream-closed": "true",
    "stream-next-offset": stream.tailOffset,
  });
}

function assertType({ config }: DurableStream, { contentType }: AppendRequest): void {
  if (contentType === undefined) throw new CometError("ERR_REQUEST", "An append with a body needs a Content-Type.");
  if (mediaTypeOf(contentType) === mediaTypeOf(config.contentType)) return;
  throw new CometError("ERR_CONFLICT", `The content type of this stream is ${config.contentType}.`);
}

function assertSeq(stream: DurableStream, seq: string | undefined): void {
  if (seq === undefined || stream.seq === undefined || seq > stream.seq) return;
  throw new CometError("ERR_CONFLICT", "Stream-Seq must be greater than that of the append before.");
}

/** Answers `DELETE`. */
export async function deleteStream(call: StreamCall): Promise<Answer> {
  await call.authorize(call.name, "delete");
  await call.registry.remove(await findStream(call));
  return { status: 204, headers: answerHeaders(call.screened, {}), body: "" };
}
