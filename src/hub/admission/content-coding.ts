import type { Wire } from "../../wire/item.ts";
import type { HubSettings } from "../hub-settings.ts";
import type { HubRequest } from "../request-options.ts";
import { callApplication } from "./authorize.ts";
import { acceptsGzip } from "./negotiate.ts";
import type { StreamCoding } from "./stream-headers.ts";

/**
 * Decides whether a stream is compressed. The hub leaves a response alone to which the application has given a
 * `Content-Encoding`.
 *
 * @param topics The topics that the client may follow.
 * @param given The headers that the application gives, if any.
 * @throws {CometError} `ERR_AUTHORIZE` if the application's function fails, after `onError` got its error.
 */
export function negotiateCoding(
  request: HubRequest,
  wire: Wire,
  topics: readonly string[],
  given: Headers | undefined,
  settings: HubSettings,
): StreamCoding {
  const { compression } = settings;
  if (compression === undefined || wire === "poll" || given?.has("content-encoding") === true) return "none";
  if (!callApplication(settings, () => compression(topics))) return "none";
  return acceptsGzip(request.headers.get("accept-encoding")) ? "gzip" : "identity";
}
