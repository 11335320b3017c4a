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
      credentials: request.withCredentials ? "include" : "same-origin",
      signal: controller.signal,
    });
    const { status, headers } = response;
    const given = headers.get("content-type") ?? "";
    const isRight = status === 200;
    if (isRight && given.startsWith(type)) {
      await read(response);
      return cut;
    }
    return {
      code: isRight ? "ERR_CONTENT_TYPE" : "ERR_STATUS",
      detail: `${status} ${given}`,
      status,
      retryMs: Number(headers.get("retry-after")) * 1000 || 0,
      ...(given.includes("problem+json") && ((await response.json()) as Problem)),
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
