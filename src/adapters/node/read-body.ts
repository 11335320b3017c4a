import { joinBytes } from "../../core/bytes.ts";
import { CometError } from "../../core/errors.ts";
import type { NodeRequest } from "./node-response.ts";

/**
 * Reads the body of a request.
 *
 * @returns Resolves to the body; to `undefined` if it is longer than `maxBytes`. The rest is not read then: the handler discards it.
 *   Rejects with `ERR_REQUEST` if the client disconnects, and with `ERR_OPTION` if other code has read the body.
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
    const onData = (piece: Uint8Array): void => {
      size += piece.length;
      if (size > maxBytes) settle(() => resolve(undefined));
      else pieces.push(piece);
    };
    const onEnd = (): void => settle(() => resolve(joinBytes(pieces)));
    const onClose = (): void => settle(() => reject(new CometError("ERR_REQUEST", "The client has disconnected.")));
    const settle = (act: () => void): void => {
      request.off("data", onData).off("end", onEnd).off("close", onClose).off("error", onClose);
      request.resume();
      act();
    };
    request.on("data", onData).on("end", onEnd).on("close", onClose).on("error", onClose);
  });
}
