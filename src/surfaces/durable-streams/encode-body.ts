import { CometError } from "../../core/errors.ts";
import type { SurfaceAccess } from "../../hub/surface-access.ts";
import type { Publication } from "../../log/entry.ts";
import { dataOf, type ContentKind } from "./content.ts";

/**
 * Encodes a body as the messages of a topic, without publishing them.
 *
 * @throws {CometError} `ERR_REQUEST` for a body that is malformed, or nested too deeply; `ERR_BODY_SIZE` if a value is too large for a
 *   message.
 */
export function encodeBody({ publisher, settings }: SurfaceAccess, kind: ContentKind, body: Uint8Array): Publication[] {
  return dataOf(kind, body, settings.maxMessageBytes).map((data) => {
    try {
      return publisher.encode(data, {});
    } catch (cause) {
      if (!(cause instanceof CometError)) throw cause;
      throw new CometError(cause.code === "ERR_MESSAGE" ? "ERR_BODY_SIZE" : "ERR_REQUEST", cause.message, { cause });
    }
  });
}
