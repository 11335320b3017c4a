import { now } from "../../core/clock.ts";
import type { Connection } from "./connection.ts";
import type { Flusher } from "../flusher.ts";

/** How often some connections are ended, in milliseconds. */
const STEP_MS = 20;

/**
 * Ends connections one after the other over a time. Each is told to reconnect after that time, at a random moment of its own within
 * as much time again: until then, this server would only refuse it. Before each step, what was published is flushed.
 */
export async function drain(connections: ReadonlySet<Connection>, drainMs: number, flusher: Flusher): Promise<void> {
  const start = now();
  const all = connections.size;
  let ended = 0;
  for (;;) {
    flusher.flushAll();
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
