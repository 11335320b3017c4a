import * as koffi from "koffi";
import { useIoUring, type IoUring } from "../../../dist/adapters/node/uring/index.js";

/** Starts a ring, whichever way this Node has to call the C library. */
export function startRing(): IoUring {
  return process.getBuiltinModule("node:ffi") === undefined ? useIoUring({ koffi }) : useIoUring();
}

/** Why io_uring cannot be measured on this machine, if so. */
export function uringUnavailable(): string | undefined {
  const ring = startRing();
  const { reason } = ring;
  ring.close();
  return reason;
}
