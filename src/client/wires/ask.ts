import type { Problem } from "../../wire/item.ts";
import { addressOf, type Failure, type WireEvents, type WireRequest } from "../wire.ts";

/** A failure that is thrown. */
class Failed extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.detail);
    this.failure = failure;
  }
}

/**
 * Opens a connection by `fetch`, and gives the answer's body to `read`, unless it is a refusal or of another type.
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
  const answer = async (): Promise<void> => {
    const response = await fetch(addressOf(request, wire), {
      headers: { accept: type, ...Object.fromEntries(new Headers(request.headers)) },
      credentials: request.withCredentials ? "include" : "same-origin",
      cache: "no-store",
      signal: controller.signal,
    });
    await check(response, type);
    await read(response);
    throw new Failed({ code: "ERR_NETWORK", detail: "The stream broke off." });
  };
  answer().catch((error: unknown) => {
    if (controller.signal.aborted) return;
    controller.abort();
    broken(error instanceof Failed ? error.failure : { code: "ERR_NETWORK", detail: String(error) });
  });
  return () => controller.abort();
}

/** @throws {Failed} if the answer is not a stream of this type. */
async function check(response: Response, type: string): Promise<void> {
  const { status } = response;
  const given = response.headers.get("content-type") ?? "";
  if (status === 200 && given.startsWith(type)) return;
  if (status === 200) {
    throw new Failed({
      code: "ERR_CONTENT_TYPE",
      detail: `The answer is ${given || "of no type"}, not ${type}.`,
      status,
    });
  }
  const after = Number(response.headers.get("retry-after"));
  const failure = {
    code: "ERR_STATUS",
    detail: `The answer has status ${status}.`,
    status,
    retryMs: after * 1000 || 0,
  };
  const problem = given.startsWith("application/problem+json") ? ((await response.json()) as Problem) : {};
  throw new Failed({ ...failure, ...problem });
}
