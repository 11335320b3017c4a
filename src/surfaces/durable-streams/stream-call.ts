import { joinBytes } from "../../core/bytes.ts";
import { CometError } from "../../core/errors.ts";
import type { Grant } from "../../hub/admission/authorize.ts";
import type { ScreenedRequest } from "../../hub/admission/gate.ts";
import type { RequestWithBody } from "../../hub/endpoint.ts";
import type { RequestOptions } from "../../hub/request-options.ts";
import type { SurfaceAccess } from "../../hub/surface-access.ts";
import type { StreamRegistry } from "./registry.ts";
import type { StreamAction } from "./options.ts";

/** The parts of the surface that answer requests, and what is known of one request. */
export interface StreamCall {
  readonly access: SurfaceAccess;
  readonly registry: StreamRegistry;
  readonly maxBodyBytes: number;
  /** Whether answers may be kept by caches that several users share. */
  readonly isPublic: boolean;
  readonly request: RequestWithBody;
  readonly url: URL;
  /** The name of the stream, which is that of its topic. */
  readonly name: string;
  readonly options: RequestOptions;
  readonly screened: ScreenedRequest;
  /** Returns the name of the stream that a path is of. @throws {CometError} `ERR_TOPIC_UNKNOWN`, `ERR_TOPIC`. */
  readonly nameOf: (path: string) => string;
  /**
   * Asks the application whether the client may do something with a stream.
   *
   * @returns Rejects with the refusal.
   */
  readonly authorize: (name: string, action: StreamAction) => Promise<Grant>;
}

/**
 * Reads the body of a request.
 *
 * @returns Rejects with `ERR_BODY_SIZE` (413) if it is too large, and with `ERR_REQUEST` if the client disconnects.
 */
export async function readBody({ request, maxBodyBytes }: StreamCall): Promise<Uint8Array> {
  const length = Number(request.headers.get("content-length") ?? 0);
  const body = length > maxBodyBytes ? undefined : await readAtMost(request, maxBodyBytes);
  if (body !== undefined) return body;
  throw new CometError("ERR_BODY_SIZE", `The body of a request has at most ${maxBodyBytes} bytes.`);
}

async function readAtMost(request: RequestWithBody, maxBytes: number): Promise<Uint8Array | undefined> {
  if (request.readBody !== undefined) return request.readBody(maxBytes);
  const reader = request.body?.getReader();
  if (reader === undefined) return new Uint8Array();
  const pieces: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > maxBytes) {
      await reader.cancel();
      return undefined;
    }
    pieces.push(value);
  }
  return joinBytes(pieces);
}
