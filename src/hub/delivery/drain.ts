import { now } from "../../core/clock.ts";
import type { EndReason } from "../../wire/item.ts";

/** A connection that can be ended after what has been published. */
interface Drainable {
  endAfterRest(reason: EndReason, retryMs: number): void;
}

/** The period of the steps in which connections are ended, in milliseconds. */
const STEP_MS = 20;

/**
 * Ends connections one after the other over `drainMs` milliseconds.
 *
 * Each `end` item asks its client to reconnect once the drain is over, at a random moment within as much time again:
 * before, this server would only reject it, and all at once would overload the next one. Each gets what has been published
 * before its end. Keep both.
 */
export async function drain(connections: ReadonlySet<Drainable>, drainMs: number): Promise<void> {
  const start = now();
  const all = connections.size;
  let ended = 0;
  for (;;) {
    const elapsed = Math.min(now() - start, drainMs);
    const due = drainMs === 0 ? all : Math.ceil((all * elapsed) / drainMs);
    for (const connection of connections) {
      if (ended >= due && elapsed < drainMs) break;
      connection.endAfterRest("drain", Math.round(drainMs - elapsed + Math.random() * drainMs));
      ended += 1;
    }
    if (elapsed >= drainMs || connections.size === 0) return;
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
}
