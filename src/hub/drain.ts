import type { Connection } from "./connection.ts";
import { now } from "../core/clock.ts";

/** How often some connections are ended, in milliseconds. */
const STEP_MS = 20;

/**
 * Ends connections one after the other over a time. Each is told to come back after that time is over, at a moment of its
 * own within as much time again: until then, this server would only turn it away. What was published is sent before: `flush`.
 */
export async function drain(connections: ReadonlySet<Connection>, drainMs: number, flush: () => void): Promise<void> {
  const start = now();
  const all = connections.size;
  let ended = 0;
  for (;;) {
    flush();
    const elapsed = Math.min(now() - start, drainMs);
    const due = drainMs === 0 ? all : Math.ceil((all * elapsed) / drainMs);
    for (const connection of connections) {
      if (ended >= due && elapsed < drainMs) break;
      connection.end("drain", Math.round(drainMs - elapsed + Math.random() * drainMs));
      ended += 1;
    }
    if (elapsed >= drainMs || connections.size === 0) return;
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
}
