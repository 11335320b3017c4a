import type { RequestWithBody } from "../../hub/endpoint.ts";
import type { HubRequest } from "../../hub/request-options.ts";
import type { NodeRequest } from "./node-response.ts";
import { readBody } from "./read-body.ts";

/** The part of a Node request that a hub reads, in web-standard form. */
export class RequestView implements RequestWithBody {
  readonly method: string;
  readonly url: string;
  readonly headers: HubRequest["headers"];
  readonly #request: NodeRequest;

  constructor(request: NodeRequest) {
    const { method = "GET", url = "/", headers } = request;
    this.#request = request;
    this.method = method;
    this.url = url;
    this.headers = new HeadersView(headers);
  }

  readBody(maxBytes: number): Promise<Uint8Array | undefined> {
    return readBody(this.#request, maxBytes);
  }

  get origin(): string | undefined {
    const { headers, socket } = this.#request;
    const host = headers[":authority"] ?? headers.host;
    return typeof host === "string" ? `${"encrypted" in socket ? "https" : "http"}://${host}` : undefined;
  }

  /** Read only on demand: the first reading costs a system call, and memory of the socket. */
  get address(): string | undefined {
    try {
      return this.#request.socket.remoteAddress;
    } catch {
      // The session of an HTTP/2 request is gone, and its client with it.
      return undefined;
    }
  }
}

class HeadersView {
  readonly #headers: NodeRequest["headers"];

  constructor(headers: NodeRequest["headers"]) {
    this.#headers = headers;
  }

  get(name: string): string | null {
    const key = name.toLowerCase();
    const value = Object.hasOwn(this.#headers, key) ? this.#headers[key] : undefined;
    return value === undefined ? null : Array.isArray(value) ? value.join(", ") : value;
  }
}
