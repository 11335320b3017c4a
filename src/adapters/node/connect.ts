import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { Admission, ConnectOptions } from "../../hub/admission.ts";
import type { Hub } from "../../hub/hub.ts";
import type { Refusal } from "../../hub/problem.ts";
import type { HubRequest } from "../../hub/request.ts";
import { BatchSink } from "../../hub/respond.ts";
import type { Sink } from "../../hub/subscription.ts";
import { isGone, destroyResponse, watchClose, type NodeResponse } from "./response.ts";

/** A request of `node:http`, `node:https` or `node:http2` (its compatibility API). */
export type NodeRequest = IncomingMessage | Http2ServerRequest;

/** How long a connection is silent before TCP asks whether the other side is there, in milliseconds. */
const KEEP_ALIVE_MS = 15_000;

/**
 * Answers a Node request by a hub: with a stream of the topics that it names, on the wire that it wants, or with a refusal
 * that says why. PROTOCOL.md has the details. Headers that were set on `response` before are kept, and `options.headers` come
 * before them. The stream ends when the client leaves, or by the hub.
 *
 * @returns Resolves once the stream has begun or the refusal is sent. Rejects with `ERR_OPTION`, `ERR_NONCE` or `ERR_RESPONSE` for bad
 *   `options`.
 */
export async function connect(
  hub: Hub,
  request: NodeRequest,
  response: NodeResponse,
  options: ConnectOptions = {},
): Promise<void> {
  const answer = await hub._admit(new RequestView(request), options);
  if (isGone(response)) return;
  response.on("error", () => undefined);
  for (const [name, value] of answer.headers) response.setHeader(name, value);
  response.statusCode = answer.status;
  if ("asked" in answer) stream(hub, answer, response);
  else refuse(answer, response);
}

function refuse({ body }: Refusal, response: NodeResponse): void {
  response.setHeader("content-length", Buffer.byteLength(body));
  response.end(body);
}

function stream(hub: Hub, admission: Admission, response: NodeResponse): void {
  if (admission.headOnly) {
    response.end();
    return;
  }
  response.req.socket.setKeepAlive(true, KEEP_ALIVE_MS);
  const connection = hub._open(admission, admission.wire === "poll" ? batchSink(response) : new StreamSink(response));
  watchClose(response, () => connection.gone());
  response.on("drain", () => connection.drained());
}

/** A web-standard view of as much of a Node request as a hub looks at. */
class RequestView implements HubRequest {
  readonly #request: NodeRequest;

  constructor(request: NodeRequest) {
    this.#request = request;
  }

  get method(): string {
    return this.#request.method ?? "GET";
  }

  get url(): string {
    return this.#request.url ?? "/";
  }

  get headers(): HubRequest["headers"] {
    const { headers } = this.#request;
    return {
      get: (name) => {
        const value = headers[name.toLowerCase()];
        return value === undefined ? null : Array.isArray(value) ? value.join(", ") : value;
      },
    };
  }
}

function batchSink(response: NodeResponse): Sink {
  return new BatchSink((body) => {
    if (body === undefined) destroyResponse(response);
    else {
      response.setHeader("content-length", body.length);
      response.end(body);
    }
  });
}

class StreamSink implements Sink {
  readonly #response: ServerResponse;

  constructor(response: NodeResponse) {
    // Both kinds of response have the same `write`, but TypeScript cannot call a union of their overloads.
    this.#response = response as ServerResponse;
  }

  write(bytes: Uint8Array): boolean {
    return this.#response.write(bytes);
  }

  end(bytes: Uint8Array): void {
    this.#response.end(bytes);
  }

  destroy(): void {
    destroyResponse(this.#response);
  }
}
