import type { Problem } from "../../wire/item.ts";
import { addressOf, connectionLost, type WireEvents, type WireFailure, type WireRequest } from "../client-wire.ts";

/** With a longer address the position is a header: nginx takes 8 KiB, and other proxies no more. */
const MAX_ADDRESS = 8000;

/**
 * Opens a connection by `fetch`, and passes the response to `read` if it is 200 and of the right content type.
 *
 * Anything else breaks the connection: the members of a problem body override the failure that the head gives, so a
 * refusal keeps the hub's own code. The client returns no sooner than `Retry-After` or the body's `retryMs` says.
 *
 * @param read Reads the response until its end, or until the signal is aborted. Its end is a lost connection unless an
 *   `end` item was in it.
 * @returns A function that aborts the request.
 */
export function openFetch(
  wire: "ndjson" | "poll",
  type: string,
  request: WireRequest,
  { broken }: WireEvents,
  read: (response: Response, signal: AbortSignal) => Promise<void>,
): () => void {
  const controller = new AbortController();
  const follow = async (): Promise<WireFailure> => {
    const init = new Headers(request.headers);
    let address = addressOf(request, { wire });
    if (address.length > MAX_ADDRESS) {
      init.set("last-event-id", request.position);
      address = addressOf({ ...request, position: "" }, { wire });
    }
    const response = await fetch(address, {
      headers: init,
      // The caches of browsers keep wrong answers, and hold back a second stream of the same address. WebKit's copies all
      // of a stream with each piece.
      cache: "no-store",
      ...(request.withCredentials && { credentials: "include" }),
      signal: controller.signal,
    });
    const { status, headers } = response;
    const given = headers.get("content-type") ?? "";
    const later = headers.get("retry-after") ?? "";
    if (status === 200 && given.startsWith(type)) {
      await read(response, controller.signal);
      return connectionLost;
    }
    return {
      code: status === 200 ? "ERR_CONTENT_TYPE" : "ERR_STATUS",
      detail: `${status} ${given}`,
      status,
      retryMs: Number(later) * 1000 || Date.parse(later) - Date.now() || 0,
      ...(given.includes("problem+json") && ((await response.json().catch(() => undefined)) as Problem | undefined)),
    };
  };
  void follow()
    .catch((error: unknown) => ({ ...connectionLost, detail: String(error) }))
    .then((failure) => {
      controller.abort();
      broken(failure);
    });
  return () => controller.abort();
}
