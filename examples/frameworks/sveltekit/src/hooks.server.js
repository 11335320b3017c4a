import { building, dev } from "$app/environment";
import { drainOnSignal } from "comet-sockets/node";
import { hub } from "./lib/hub.js";
import { userOf } from "./lib/session.js";

// The event `sveltekit:shutdown` comes only when the last stream has ended, so the hub has to end them by itself.
if (!building && !dev) drainOnSignal(hub, undefined, { drainMs: 1000 });

export function handle({ event, resolve }) {
  event.locals.user = userOf(event.cookies.get("session"));
  return resolve(event);
}
