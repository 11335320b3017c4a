/** comet-sockets as in ours-topics.ts, on a ring of io_uring, as in ours-uring.ts. */
import { startRing } from "./uring.ts";

const { active, reason } = startRing();
if (!active) throw new Error(reason);
await import("./ours-topics.ts");
