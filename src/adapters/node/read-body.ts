import { joinBytes } from "../../core/bytes.ts";
import { CometError } from "../../core/errors.ts";
import type { NodeRequest } from "./node-response.ts";

/**
 * Reads the body of a request.
 *
 * @returns Resolves to the body; to `undefined` if it is longer than `maxBytes`. The rest is discarded then. Rejects with `ERR_REQUEST`
 *   if the client disconnects, and with `ERR_OPTION` if other code has read the body.
 */
export function readBody(request: NodeRequest, maxBytes: number): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    if (request.readableFlowing !== null || request.readableEnded) {
      const why =
        "Other code has read the body of this request, such as a body parser: register this handler before it.";
      reject(new CometError("ERR_OPTION", why));
      return;
    }
    const pieces: Uint8Array[] = [];
    let size = 0;
    let isTooLarge = false;
    // It stays, and discards the rest of a body that is too large: without it a flowing request may get stuck.
    const onData = (piece: Uint8Array): void => {
      if (isTooLarge) return;
      size += piece.length;
      isTooLarge = size > maxBytes;
      if (!isTooLarge) pieces.push(piece);
      else settle(() => resolve(undefined));
    };
    const onEnd = (): void => settle(() => resolve(joinBytes(pieces)));
    const onClose = (): void => settle(() => reject(new CometError("ERR_REQUEST", "The client has disconnected.")));
    const settle = (act: () => void): void => {
      pieces.splice(0, isTooLarge ? pieces.length : 0);
      request.off("end", onEnd).off("close", onClose).off("error", onClose);
      act();
    };
    request.on("data", onData).on("end", onEnd).on("close", onClose).on("error", onClose);
  });
}
