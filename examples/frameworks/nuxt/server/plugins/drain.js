import { drainOnSignal } from "comet-sockets/node";
import { hub } from "../utils/hub.js";

// The hook `close` of Nitro comes only when the last stream has ended, so the hub has to end them by itself. Nitro closes
// the server, and ends the process.
export default defineNitroPlugin(() => {
  drainOnSignal(hub, undefined, { drainMs: 1000 });
});
