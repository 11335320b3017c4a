import type { Problem } from "../../wire/item.ts";
import { addressOf, cut, type Failure, type WireEvents, type WireRequest } from "../wire.ts";

/**
 * Opens a connection by `fetch`, and gives the answer to `read`, unless it is a refusal or of another type.
 *
 * @returns What lets go of it.
 */
export function ask(
  wire: "ndjson" | "poll",
  type: string,
  request: WireRequest,
  { broken }: WireEvents,
  read: (response: Response) => Promise<void>,
): () => void {
  const controller = new AbortController();
  const headers = new Headers(request.headers);
  headers.set("accept", type);
  const follow = async (): Promise<Failure> => {
    const response = await fetch(addressOf(request, { wire }), {
      headers,
      credentials: request.withCredentials ? "include" : "same-origin",
      cache: "no-store",
      signal: controller.signal,
    });
    const { status } = response;
    const given = response.headers.get("content-type") ?? "";
    if (status === 200 && given.startsWith(type)) {
      await read(response);
      return cut;
    }
    const failure = {
      code: status === 200 ? "ERR_CONTENT_TYPE" : "ERR_STATUS",
      detail: `The answer is ${status} ${given}.`,
      status,
      retryMs: Number(response.headers.get("retry-after")) * 1000 || 0,
    };
    return given.startsWith("application/problem+json")
      ? { ...failure, ...((await response.json()) as Problem) }
      : failure;
  };
  void follow()
    .catch((error: unknown) => ({ ...cut, detail: String(error) }))
    .then((failure) => {
      controller.abort();
      broken(failure);
    });
  return () => controller.abort();
}
