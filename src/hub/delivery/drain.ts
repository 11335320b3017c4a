import { now } from "../../core/clock.ts";
import type { Connection } from "./connection.ts";
import type { Flusher } from "../flusher.ts";

/** The period of the steps in which connections are ended, in milliseconds. */
const STEP_MS = 20;

/**
 * Ends connections one after the other over `drainMs` milliseconds.
 *
 * Each `end` item asks its client to reconnect once the drain is over, at a random moment within as much time again:
 * before, this server would only reject it, and all at once would overload the next one. Published messages are flushed
 * before each step. Keep both.
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
