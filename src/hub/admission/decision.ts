import type { Wire } from "../../wire/item.ts";
import type { Connection } from "../delivery/connection.ts";
import type { Sink } from "../delivery/sink.ts";

/** A complete answer, which opens no stream: a refusal, the head for HEAD, a preflight. An empty body is no body. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/**
 * A request that is admitted: its place in the hub is reserved. The adapter sends the head with status 200, and calls either `open`
 * or `release`, once.
 */
export interface Admission {
  readonly headers: Headers;
  readonly wire: Wire;
  /** Opens the stream on a sink. The connection is to be told when the sink drains, and when it is gone. */
  readonly open: (sink: Sink) => Connection;
  /** Gives the place back: the client has left. */
  readonly release: () => void;
}

/** What a hub decides on a request. Adapters carry it out. */
export type Decision = Answer | Admission;

export function isAdmission(decision: Decision): decision is Admission {
  return "open" in decision;
}
