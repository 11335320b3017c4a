/**
 * Watches from outside what the package does in a server's process: which texts it encodes, how long its tasks take, how many
 * writes they make after their time is over, and which timers it has. `probe-preload.ts` begins it before the package is loaded.
 */
import { Socket } from "node:net";
import { createHistogram } from "node:perf_hooks";

/** Every text that was encoded and has a message in it, and how often. */
export const encodings = new Map<string, number>();
/** How long each task of `setImmediate` took, in microseconds. */
export const tasks = createHistogram();
/** Of each task that took longer than a slice, how many writes began after that, and one more. */
export const lateWrites = createHistogram();
export const slice = { ms: Infinity };
/** Timers that run now. */
export const timers = { intervals: 0, timeouts: 0 };

let taskStart = -1;
let late = 0;

/** Begins to watch. Before the package is loaded, since it keeps `setImmediate`. */
export function installProbe(): void {
  watchEncoder();
  watchTasks();
  watchWrites();
  watchTimers();
}

function watchEncoder(): void {
  const note = (text: string | undefined): void => {
    if (text?.includes("@") === true) encodings.set(text, (encodings.get(text) ?? 0) + 1);
  };
  const encode: TextEncoder["encode"] = Reflect.get(TextEncoder.prototype, "encode");
  const encodeInto: TextEncoder["encodeInto"] = Reflect.get(TextEncoder.prototype, "encodeInto");
  TextEncoder.prototype.encode = function (text) {
    note(text);
    return encode.call(this, text);
  };
  TextEncoder.prototype.encodeInto = function (text, into) {
    note(text);
    return encodeInto.call(this, text, into);
  };
}

function watchTasks(): void {
  const { setImmediate: immediate } = globalThis;
  globalThis.setImmediate = ((task: (...args: unknown[]) => void, ...args: unknown[]) =>
    immediate(() => {
      taskStart = performance.now();
      late = 0;
      task(...args);
      const ms = performance.now() - taskStart;
      taskStart = -1;
      tasks.record(Math.max(1, Math.round(ms * 1000)));
      if (ms > slice.ms) lateWrites.record(late + 1);
    })) as typeof setImmediate;
}

/** A stream is written to its socket, by the response or past it. */
function watchWrites(): void {
  const write = Reflect.get(Socket.prototype, "write") as (this: Socket, ...args: unknown[]) => boolean;
  Socket.prototype.write = function (this: Socket, ...args: unknown[]): boolean {
    if (taskStart !== -1 && performance.now() - taskStart > slice.ms) late += 1;
    return write.apply(this, args);
  };
}

function watchTimers(): void {
  const { setInterval: interval, clearInterval: clear, setTimeout: timeout, clearTimeout: clearOne } = globalThis;
  const intervals = new Set<unknown>();
  const timeouts = new Set<unknown>();
  const count = (): void => void Object.assign(timers, { intervals: intervals.size, timeouts: timeouts.size });
  globalThis.setInterval = ((task: () => void, ms: number) => {
    const timer = interval(task, ms);
    intervals.add(timer);
    count();
    return timer;
  }) as typeof setInterval;
  globalThis.clearInterval = (timer) => {
    intervals.delete(timer);
    count();
    clear(timer);
  };
  globalThis.setTimeout = ((task: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) => {
    const timer = timeout(() => {
      timeouts.delete(timer);
      count();
      task(...args);
    }, ms);
    timeouts.add(timer);
    count();
    return timer;
  }) as typeof setTimeout;
  globalThis.clearTimeout = (timer) => {
    timeouts.delete(timer);
    count();
    clearOne(timer);
  };
}
