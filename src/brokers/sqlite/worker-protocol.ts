import type { CometErrorCode } from "../../core/errors.ts";
import type { BrokerPublication, LeaseRequest, Notice, TopicBounds } from "../../log/broker.ts";

/** A call of the hub, as the worker gets it. */
export type WorkerCall =
  | {
      readonly op: "publish" | "settle";
      readonly topic: string;
      readonly message: BrokerPublication;
      readonly bounds: TopicBounds;
    }
  | { readonly op: "renew"; readonly topic: string; readonly epoch: string }
  | { readonly op: "acquire"; readonly topic: string; readonly request: LeaseRequest; readonly bounds: TopicBounds }
  | { readonly op: "renewLease"; readonly topic: string; readonly fence: string; readonly leaseMs: number }
  | { readonly op: "delete"; readonly topic: string }
  | { readonly op: "signal"; readonly text: string }
  | { readonly op: "read"; readonly topic: string; readonly after: number; readonly bounds: TopicBounds }
  | { readonly op: "listen"; readonly topic: string; readonly id: number }
  | { readonly op: "unlisten"; readonly topic: string };

/** The calls that change the file. */
export type WriteCall = Exclude<WorkerCall, { readonly op: "read" | "listen" | "unlisten" }>;

/** The calls that do not. */
export type ReadCall = Exclude<WorkerCall, WriteCall>;

/** Whether a call changes the file, so that its outcome is unknown if the worker dies. */
export function isWrite(call: WorkerCall): call is WriteCall {
  return call.op !== "read" && call.op !== "listen" && call.op !== "unlisten";
}

/** A message to the worker: all calls of one turn, or of the time for which the worker was busy. */
export type ToWorker =
  | { readonly type: "calls"; readonly calls: readonly WorkerCall[]; readonly sentAt: number }
  /** The main thread has delivered one `news`. */
  | { readonly type: "delivered" }
  | { readonly type: "close" };

/** An error as it crosses threads, which keeps its code. */
export interface PlainError {
  readonly code: CometErrorCode;
  readonly message: string;
}

/** The answer to one call. */
export type Answer = { readonly value: unknown } | { readonly error: PlainError };

/** Notices, each for the listener with an id, and signals. */
export interface News {
  readonly notices: readonly { readonly id: number; readonly notice: Notice }[];
  readonly signals: readonly string[];
  /** Content of other programs that was ignored: the messages of the errors. */
  readonly ignored: readonly string[];
}

/** A message of the worker. */
export type FromWorker =
  | { readonly type: "opened" }
  /** The answers to the oldest batch of calls, in the same order. */
  | { readonly type: "answers"; readonly answers: readonly Answer[] }
  | { readonly type: "news"; readonly news: News }
  /** The worker has failed, before or after it was opened, and ends. */
  | { readonly type: "failed"; readonly error: PlainError; readonly isDamaged: boolean };

/** The options of the worker. */
export interface WorkerOptions {
  readonly path: string;
  readonly synchronous: "full" | "normal";
  readonly timeoutMs: number;
  readonly topicTtlMs: number;
  /** Whether the file was damaged when it was last open, so that all of it is to be checked. */
  readonly mustCheck: boolean;
}
