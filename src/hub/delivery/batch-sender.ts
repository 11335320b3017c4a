import { processWide } from "../../core/process-wide.ts";

/**
 * Sends the same bytes to many sinks by one call.
 *
 * A group calls `add` for one sink after another, and then `send`. No code of the application runs from the first `add`
 * to the end of `send`: no sink closes meanwhile, so that a file descriptor still belongs to the same client. An
 * implementation must not run any.
 */
export interface BatchSender {
  /**
   * Empties the batch, and returns the number of sinks that one call sends to; 0 if the group must write to each sink
   * on its own.
   *
   * @param connections The number of connections in the group.
   * @param bytes The number of bytes for each sink.
   */
  capacity(connections: number, bytes: number): number;
  /**
   * Adds a sink by its {@link Sink.batchKey}, up to the capacity.
   *
   * @returns Whether it was added. If not, the group must write to it on its own.
   */
  add(batchKey: object): boolean;
  /**
   * Sends the bytes to all added sinks, and empties the batch.
   *
   * @returns Whether each sink takes more now, as from `Sink.write`, in the order of `add`.
   */
  send(bytes: Uint8Array): readonly boolean[];
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
