import { processWide } from "../../core/process-wide.ts";

/**
 * Sends bytes to many sinks by one call.
 *
 * The caller calls `accepts` and `add` for one sink after another, and then `send`. No code of the application runs from
 * the first `add` to the end of `send`: no sink closes meanwhile, so that a file descriptor still belongs to the same
 * client. An implementation must not run any.
 */
export interface BatchSender {
  /** The fewest sinks that are worth one call. A smaller batch is sent all the same. */
  readonly minSinks: number;
  /** Returns whether the batch, which is not empty, can take one more sink with bytes as long as these or a little longer. */
  hasRoom(bytes: Uint8Array): boolean;
  /**
   * Returns whether it can send to a sink.
   *
   * @param batchKey The sink's {@link Sink.batchKey}.
   * @param length The number of bytes, about.
   */
  accepts(batchKey: object, length: number): boolean;
  /** Adds the sink that was accepted last, with the bytes for it. They are copied, and a row of equal objects once. */
  add(bytes: Uint8Array): void;
  /**
   * Sends to all added sinks, and empties the batch.
   *
   * @returns Whether each sink takes more now, as from `Sink.write`, in the order of `add`.
   */
  send(): readonly boolean[];
}

/** All copies of the package in a thread share the sender: a bundler may put the hub and the sender into two of them. */
const installed = processWide<{ sender: BatchSender | undefined }>("batch-sender", () => ({ sender: undefined }));

/** Returns this thread's batch sender; `undefined` unless the application has asked for one. */
export function batchSender(): BatchSender | undefined {
  return installed.sender;
}

/** Has all hubs of this thread send by a batch sender from the next pass on; `undefined` for single writes. */
export function installBatchSender(sender: BatchSender | undefined): void {
  installed.sender = sender;
}
