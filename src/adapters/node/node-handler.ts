import { CometError } from "../../core/errors.ts";
import { assertInteger } from "../../core/options.ts";
import { andThen, isPromiseLike } from "../../core/promise.ts";
import type { Answer } from "../../hub/admission/answer.ts";
import { isAdmission, type Admission, type Decision } from "../../hub/admission/decision.ts";
import type { OpenStream, Sink } from "../../hub/delivery/sink.ts";
import type { Endpoint } from "../../hub/endpoint.ts";
import type { RequestOptions } from "../../hub/request-options.ts";
import { Http2Sink } from "./http2-sink.ts";
import {
  destroyResponse,
  discardBody,
  endedByOther,
  isDisconnected,
  type NodeRequest,
  type NodeResponse,
} from "./node-response.ts";
import type { RequestListener } from "./detach/sole-listener.ts";
import { RequestView } from "./request-view.ts";
import { headObject, setHead, withHeadersOf } from "./response-head.ts";
import { openBatch, openStream } from "./response-sinks.ts";
import { SessionLimit } from "./session-limit.ts";
import { SocketSink } from "./socket-sink.ts";
import { closeIfQueued, waitForTurn } from "./wait-for-turn.ts";

/** Options of {@link nodeHandler}. */
export interface NodeHandlerOptions extends RequestOptions {
  /**
   * Whether a stream may detach from Node's HTTP parser, request and response, which saves about half of an idle
   * connection's memory.
   *
   * It detaches only where neither the application nor a middleware has touched the request or the response, and it is
   * undone when one of them is used later. Turn it off where something watches responses by other means than their own
   * methods, such as a `diagnostics_channel` subscriber that is added later, or a direct call of
   * `http.Server.prototype.closeAllConnections`.
   *
   * @default true
   */
  readonly detach?: boolean;
}

/** Limits of {@link nodeHandler}, which hold for all its requests. */
export interface NodeHandlerLimits {
  /**
   * The highest number of requests of one HTTP/2 connection that the handler serves at a time, streams and waiting
   * polls alike, from 1. Further ones are reset with `REFUSED_STREAM`, so that the client may send them again.
   *
   * Set `maxConcurrentStreams` of the HTTP/2 server too: it limits all requests of a connection. On HTTP/1.1 a
   * connection has one stream or one waiting poll at a time.
   *
   * @default 100
   */
  readonly maxStreamsPerConnection?: number;
}

const MAX_STREAMS_PER_CONNECTION = 100;

/** The idle time after which TCP keep-alive probes the client of a silent stream, in milliseconds. */
const KEEP_ALIVE_MS = 15_000;

/**
 * Returns a request listener that answers by a hub: with a stream of the topics that the request names, on the
 * wire that it asks for, or with a refusal that states the reason. PROTOCOL.md has the details.
 *
 * Use it as a listener of `node:http`, `node:https` or `node:http2`, or as a handler of Express, Nest and others.
 * Headers already set on the response are kept; `options.headers` take precedence over them. The stream ends when the
 * client disconnects, or when the hub ends it.
 *
 * A request that is pipelined on HTTP/1.1 waits until the responses before it are over; only then are its options and
 * the hub asked. One behind a stream is not answered: the connection closes when the stream is over. More than 16
 * waiting requests close the connection. The body of a request is discarded, unless a surface such as `durableStreams` reads it.
 *
 * The hub decides and this file only carries the decision out. An admission must lead to exactly one `open` or
 * `release`, on every path. The stream must begin in the same turn where nothing waits.
 *
 * @param hub The hub, or a surface over one, such as `durableStreams(hub)`.
 * @param options The options of every request, or a function of the request, which may be async.
 * @param limits The limits of the handler.
 * @returns The listener. Its promise resolves once the stream has begun or the refusal is sent. It never rejects: bad
 *   options, a response that is already sent or that other code ends (`ERR_RESPONSE`), and errors of the function go to
 *   the hub's `onError`, and the client gets 500 if the response still permits it.
 * @throws {CometError} `ERR_OPTION` at once for bad `limits`.
 * @example
 * ```ts
 * createServer(nodeHandler(hub)).listen(4000);
 * app.get("/live", nodeHandler(hub, (request) => ({ identity: request.user.id, topics: ["news"] })));
 * ```
 */
export function nodeHandler<Request extends NodeRequest = NodeRequest>(
  hub: Endpoint,
  options: NodeHandlerOptions | ((request: Request) => NodeHandlerOptions | PromiseLike<NodeHandlerOptions>) = {},
  { maxStreamsPerConnection = MAX_STREAMS_PER_CONNECTION }: NodeHandlerLimits = {},
): (request: Request, response: NodeResponse) => Promise<void> {
  assertInteger("maxStreamsPerConnection", maxStreamsPerConnection, 1, Number.MAX_SAFE_INTEGER);
  const sessions = new SessionLimit(maxStreamsPerConnection);
  // One for all requests, since each stream keeps it.
  const report: Report = (error) => hub._report(error);
  const answerOne = (request: Request, response: NodeResponse): Promise<void> => {
    let mayDetach = true;
    const optionsOf = (): RequestOptions | PromiseLike<RequestOptions> => {
      if (response.headersSent) {
        throw new CometError("ERR_RESPONSE", "The head of this response has been sent already.");
      }
      return andThen(typeof options === "function" ? options(request) : options, (given) => {
        mayDetach = given.detach ?? true;
        return withHeadersOf(response, given);
      });
    };
    const executeOne = (decision: Decision): void => {
      if (hub._readsBodies === true) discardBody(request);
      // A function of the options has had the request, and may have kept it.
      const sole = typeof options === "function" ? undefined : listener;
      execute(response, decision, { mayDetach, sole, report });
    };
    const deciding = hub._decide(new RequestView(request), optionsOf);
    if (isPromiseLike(deciding)) return Promise.resolve(deciding).then(executeOne);
    // The stream begins in this turn where nothing waits.
    executeOne(deciding);
    return done;
  };
  const listener = (request: Request, response: NodeResponse): Promise<void> => {
    response.on("error", ignore);
    if ("stream" in response && !sessions.admit(response)) return done;
    if (hub._readsBodies !== true) discardBody(request);
    const turn = waitForTurn(response);
    return turn === undefined
      ? answerOne(request, response)
      : turn.then((isOpen) => (isOpen ? answerOne(request, response) : undefined));
  };
  return listener;
}

/** The promise of each request that is answered in its own turn. */
const done = Promise.resolve();

/** The inputs of a decision's execution, beside the response. */
interface Execution {
  /** Whether the stream may detach: see {@link NodeHandlerOptions}. */
  readonly mayDetach: boolean;
  /** The handler, if it has passed neither the request nor the response on. */
  readonly sole: RequestListener | undefined;
  readonly report: Report;
}

/** Reports an error that has no caller. */
type Report = (error: unknown) => void;

/** An error of the connection means that the client has disconnected. `close` follows and reports it. */
function ignore(): void {
  // Nothing to do: `close` follows.
}

function execute(response: NodeResponse, decision: Decision, execution: Execution): void {
  try {
    carryOut(response, decision, execution);
  } catch (error) {
    execution.report(error);
    destroyResponse(response);
  }
}

function carryOut(response: NodeResponse, decision: Decision, execution: Execution): void {
  // A response whose head was sent before has been reported by a refusal.
  const isTaken = response.writableEnded || response.headersSent;
  if (isTaken || isDisconnected(response)) {
    if (!isAdmission(decision)) return;
    decision.release();
    if (isTaken) execution.report(endedByOther());
  } else if (isAdmission(decision)) open(response, decision, execution);
  else answer(response, decision);
}

function answer(response: NodeResponse, { status, headers, body: text, bytes }: Answer): void {
  setHead(response, status, headers);
  const body = bytes ?? text;
  // The answers to HEAD and to a preflight have no length (RFC 9110, 8.6).
  if (body.length > 0) response.setHeader("content-length", Buffer.byteLength(body));
  response.end(body);
}

function open(response: NodeResponse, admission: Admission, execution: Execution): void {
  let isOpened = false;
  const openStreamOn = (sink: Sink): OpenStream => {
    isOpened = true;
    return admission.open(sink);
  };
  try {
    begin(response, admission, openStreamOn, execution);
  } catch (error) {
    // The head could not be sent. `open` gives the place back itself if it throws.
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- `openStreamOn` may have run.
    if (!isOpened) admission.release();
    throw error;
  }
}

/** Sends the head of an admitted response, and opens its stream. */
function begin(
  response: NodeResponse,
  { headers, wire, heartbeatMs, isPacked }: Admission,
  open: Admission["open"],
  { mayDetach, sole, report }: Execution,
): void {
  // TCP probes only a connection that is silent, and the options cost system calls.
  if (heartbeatMs === 0 || heartbeatMs > KEEP_ALIVE_MS) setKeepAlive(response);
  if (wire === "poll") {
    setHead(response, 200, headers);
    openBatch(response, open, report);
    return;
  }
  if (!("stream" in response) && response.socket !== null) closeIfQueued(response.socket);
  const head = headObject(headers);
  if (SocketSink.fits(response, head, isPacked)) {
    SocketSink.open(response, { ...head }, mayDetach, sole, open, report);
    return;
  }
  if (Http2Sink.fits(response)) {
    Http2Sink.open(response, head, open, report);
    return;
  }
  setHead(response, 200, headers);
  openStream(response, open, report);
}

/** Has TCP probe the client. The socket of a mocked response, such as those of `fastify.inject`, may lack the method. */
function setKeepAlive({ socket }: NodeResponse): void {
  if (typeof socket?.setKeepAlive === "function") socket.setKeepAlive(true, KEEP_ALIVE_MS);
}
