type Task = () => void;

/**
 * Runs a task after what the event loop does now, and after what the network has brought meanwhile: by `setImmediate` where there
 * is one (Node, Bun, Deno), and otherwise by a message to oneself, since a timer would wait.
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
