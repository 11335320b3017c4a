import { drainOnSignal } from "comet-sockets/node";
import { hub } from "./lib/hub.js";
import { userOf } from "./lib/session.js";

// Astro's server handles no signal, and keeps its server to itself, so the process has to exit.
if (import.meta.env.PROD) drainOnSignal(hub, undefined, { drainMs: 1000, onDrained: () => process.exit() });

export async function onRequest({ cookies, locals, url }, next) {
  locals.user = userOf(cookies.get("session")?.value);
  const response = await next();
  // The policy of pages. The hub gives its documents a policy of their own.
  if (url.pathname === "/") response.headers.set("content-security-policy", "default-src 'self'");
  return response;
}
