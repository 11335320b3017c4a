import type { ServerResponse } from "node:http";
import { detach } from "./detach.ts";
import type { NodeConnection } from "./node-internals.ts";

/** A stream whose head has been sent, and whose connection is to detach. */
interface Detachable {
  readonly response: ServerResponse;
  readonly connection: NodeConnection;
  /** Whether no other code can hold the request or the response. */
  readonly isPrivate: boolean;
}

/** The streams that detach in the next turn. */
let waiting: Detachable[] = [];

/**
 * Detaches a connection in a turn of its own, once its request has been read. One callback serves all streams of a turn.
 *
 * A tick is too early: the parser runs ticks between the requests of one packet, if they have more than 32 header lines.
 */
export function detachLater(response: ServerResponse, connection: NodeConnection, isPrivate: boolean): void {
  if (waiting.length === 0) setImmediate(detachAll);
  waiting.push({ response, connection, isPrivate });
}

function detachAll(): void {
  const all = waiting;
  waiting = [];
  for (const { response, connection, isPrivate } of all) {
    if (response.req.complete) detach(response, connection, isPrivate);
    // The rest of the body is on its way, and it is discarded.
    else response.req.once("end", () => detachLater(response, connection, isPrivate));
  }
}
