import type { Wire } from "../../wire/item.ts";
import type { OpenStream, Sink } from "../delivery/sink.ts";
import type { Answer } from "./answer.ts";

/**
 * An admitted request: its place in the hub is reserved. The adapter sends the head with status 200, and calls either
 * `open` or `release`, once.
 */
export interface Admission {
  /** The headers of the response. Other streams may have the same object: do not change it. */
  readonly headers: Headers;
  readonly wire: Wire;
  /** The longest time between two writes to the sink, in milliseconds; 0 if the stream has no heartbeats. */
  readonly heartbeatMs: number;
  /** Whether the body is compressed, as its headers say. The sink gets it in that form. */
  readonly isPacked: boolean;
  /**
   * Opens the stream on a sink. The adapter must call `drained` on the stream when the sink drains, and `gone` when
   * the sink is closed.
   */
  open(sink: Sink): OpenStream;
  /** Releases the reserved place, because the client has disconnected. */
  release(): void;
}

/**
 * The hub's decision on a request, which an adapter carries out.
 *
 * Every adapter depends on this type: do not add a case without handling it in `respond` and in `nodeHandler`. An
 * adapter that calls neither `open` nor `release` leaks a place of `maxConnections`; one that calls both releases it
 * twice.
 */
export type Decision = Answer | Admission;

/** Returns whether a decision admits the request. */
export function isAdmission(decision: Decision): decision is Admission {
  return "open" in decision;
}
