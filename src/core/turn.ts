type Task = () => void;

/**
 * Runs a task in a later turn of the event loop, after the I/O of this one: by `setImmediate` if it exists (Node, Bun,
 * Deno), and otherwise by a message, since a timer would wait for longer.
 */
export const afterTurn: (task: Task) => void = scheduler();

function scheduler(): (task: Task) => void {
  const { setImmediate } = globalThis as { readonly setImmediate?: (task: Task) => unknown };
  if (typeof setImmediate === "function") return (task) => void setImmediate(task);
  if (typeof MessageChannel !== "function") return (task) => void setTimeout(task, 0);
  const tasks: Task[] = [];
  let channel: MessageChannel | undefined;
  return (task) => {
    if (channel === undefined) {
      channel = new MessageChannel();
      channel.port1.onmessage = () => tasks.shift()?.();
    }
    tasks.push(task);
    channel.port2.postMessage(0);
  };
}
