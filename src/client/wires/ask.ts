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
  const follow = async (): Promise<Failure> => {
    const response = await fetch(addressOf(request, { wire }), {
      headers: request.headers as HeadersInit,
      ...(request.withCredentials && { credentials: "include" }),
      signal: controller.signal,
    });
    const { status, headers } = response;
    const given = headers.get("content-type") ?? "";
    const later = headers.get("retry-after") ?? "";
    const isRight = status === 200;
    if (isRight && given.startsWith(type)) {
      await read(response);
      return cut;
    }
    return {
      code: isRight ? "ERR_CONTENT_TYPE" : "ERR_STATUS",
      detail: `${status} ${given}`,
      status,
      retryMs: Number(later) * 1000 || Date.parse(later) - Date.now() || 0,
      ...(given.includes("problem+json") && ((await response.json().catch(() => undefined)) as Problem | undefined)),
    };
  };
  void follow()
    .catch((error: unknown) => ({ ...cut, detail: String(error) }))
    .then((failure) => {
      controller.abort();
      broken(failure);
    });
  return () => controller.abort();
}
