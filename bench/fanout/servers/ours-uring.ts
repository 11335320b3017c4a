/** comet-sockets as in ours.ts, on a ring of io_uring: by Node's own `node:ffi` where there is one, and otherwise by koffi. */
import { startRing } from "./uring.ts";

const { active, reason } = startRing();
if (!active) throw new Error(reason);
await import("./ours.ts");
