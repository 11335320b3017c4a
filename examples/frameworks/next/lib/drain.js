import { drainOnSignal } from "comet-sockets/node";
import { hub } from "./hub.js";

// NEXT_MANUAL_SIG_HANDLE=true leaves the signals to us. Next keeps its server to itself, so the process has to exit.
drainOnSignal(hub, undefined, { drainMs: 1000, onDrained: () => process.exit() });
