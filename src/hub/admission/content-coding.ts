import type { Wire } from "../../wire/item.ts";
import type { HubSettings } from "../hub-settings.ts";
import type { HubRequest } from "../request-options.ts";
import { callApplication } from "./authorize.ts";
import { acceptsGzip } from "./negotiate.ts";

/**
 * Decides whether a stream is compressed, and adds the headers that say so.
 *
 * A response that may be compressed varies with `Accept-Encoding`, whether it is or not. One to which the application has
 * given a `Content-Encoding` is its own matter.
 *
 * @param topics The topics that the client may follow.
 * @throws {CometError} `ERR_AUTHORIZE` if the application's function fails, after `onError` got its error.
 */
export function negotiateCoding(
  request: HubRequest,
  wire: Wire,
  topics: readonly string[],
  headers: Headers,
  settings: HubSettings,
): boolean {
  const { compression } = settings;
  if (compression === undefined || wire === "poll" || headers.has("content-encoding")) return false;
  if (!callApplication(settings, () => compression(topics))) return false;
  headers.append("vary", "Accept-Encoding");
  if (!acceptsGzip(request.headers.get("accept-encoding"))) return false;
  headers.set("content-encoding", "gzip");
  return true;
}
