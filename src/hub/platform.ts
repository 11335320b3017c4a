/**
 * The differences between runtimes that the hub knows: what servers pass to a handler besides the request, and where a hub
 * cannot work. Each is recognized by its shape, so that no adapter is needed where the `Response` path is enough.
 */

import { CometError } from "../core/errors.ts";
import { isPromiseLike } from "../core/promise.ts";
import type { HubRequest } from "./request-options.ts";

/** Bun's server closes a connection on which nothing is sent for 10 s by default: a quiet stream, and a waiting poll. */
interface IdleTimeout {
  readonly timeout: (request: Request, seconds: number) => void;
}

/**
 * Returns the promise of a platform that settles when the response has been sent, if it has one: `completed` of Deno's
 * second argument.
 */
export function completionOf([info]: readonly unknown[]): PromiseLike<unknown> | undefined {
  const completed = typeof info === "object" && info !== null && "completed" in info ? info.completed : undefined;
  return isPromiseLike(completed) ? completed : undefined;
}

/** Turns the idle timeout of a request off, where the platform has one: `timeout` of Bun's second argument. */
export function disableIdleTimeout(request: Request, [server]: readonly unknown[]): void {
  if (hasIdleTimeout(server)) server.timeout(request, 0);
}

/** Whether a second argument is Bun's server, or has its idle timeout. */
export function hasIdleTimeout(server: unknown): server is IdleTimeout {
  return typeof server === "object" && server !== null && "timeout" in server && typeof server.timeout === "function";
}

/**
 * Returns the error for the body of a response that the hub breaks off. Bun logs each error of a body as one of the
 * application, except `undefined`.
 */
export function breakOffError(): DOMException | undefined {
  return "Bun" in globalThis ? undefined : new DOMException("The stream was broken off.", "AbortError");
}

/** A web-standard request with the address of its client, which only the platform knows. */
export class AddressedRequest implements HubRequest {
  readonly #request: Request;
  readonly #addressOf: () => string | undefined;

  constructor(request: Request, addressOf: () => string | undefined) {
    this.#request = request;
    this.#addressOf = addressOf;
  }

  get method(): string {
    return this.#request.method;
  }

  get url(): string {
    return this.#request.url;
  }

  get headers(): Headers {
    return this.#request.headers;
  }

  /** Read only on demand, since it may cost a system call. */
  get address(): string | undefined {
    return this.#addressOf();
  }
}

let isInsideObject = false;

/** Makes a hub in a Durable Object, where {@link assertHubWorksHere} allows it. */
export function insideObject<R>(make: () => R): R {
  isInsideObject = true;
  try {
    return make();
  } finally {
    isInsideObject = false;
  }
}

/**
 * Checks that a hub can deliver in this runtime.
 *
 * In a plain Worker of Cloudflare it cannot: each request may run in another process, and no request may use the streams
 * of another one. Nothing would be delivered, and nobody would be told.
 *
 * @throws {CometError} `ERR_RUNTIME`.
 */
export function assertHubWorksHere(): void {
  const { navigator } = globalThis as { readonly navigator?: { readonly userAgent?: string } };
  if (isInsideObject || navigator?.userAgent !== "Cloudflare-Workers") return;
  throw new CometError(
    "ERR_RUNTIME",
    "A hub in a plain Worker reaches none of its clients. Put it into a Durable Object: export a class that extends " +
      "cometObject(DurableObject) of comet-sockets/workers, and pass requests on to it.",
  );
}
