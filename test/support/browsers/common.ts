import { setTimeout as sleep } from "node:timers/promises";
import type { ConsoleEntry } from "./browser.ts";

/** The inner size of every page, in CSS pixels. */
export const pageSize = { width: 1024, height: 768 } as const;

/** How long a browser may take to start, or a document to begin. */
export const patienceMs = 30_000;

/** Rejects with `message` when the promise has not settled in time. */
export async function within<T>(timeoutMs: number, message: string | (() => string), promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`${typeof message === "string" ? message : message()} (after ${timeoutMs} ms)`));
    }, timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * What the function gives, as soon as it gives something.
 *
 * @throws when that takes too long, or what the function throws
 */
export async function poll<T>(everyMs: number, message: string, attempt: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const result = await attempt();
    if (result !== undefined) return result;
    if (Date.now() > deadline) throw new Error(`${message} (after ${patienceMs} ms)`);
    // It alone keeps no process alive: perhaps nobody waits any longer.
    await sleep(everyMs, undefined, { ref: false });
  }
}

/**
 * An expression for the JSON text of the given one's value, or for a promise of it. Only a promise makes a promise:
 * WebKit needs a second request for that, too late if the expression itself makes the page go.
 */
export function asJson(expression: string): string {
  const json = "(value) => JSON.stringify(value)";
  const toJson = `(value) => (typeof value?.then === "function" ? value.then(${json}) : (${json})(value))`;
  return `(${toJson})(\n${expression}\n)`;
}

/** What {@link asJson} gave, as a value again. */
export function fromJson(json: string | undefined): unknown {
  return json === undefined ? undefined : JSON.parse(json);
}

/** The level of a `console` method, or of the level that a browser's protocol names in its stead. */
export function consoleLevel(method: string): ConsoleEntry["level"] {
  switch (method) {
    case "info":
    case "error":
    case "debug":
    case "warn":
      return method;
    case "warning":
      return "warn";
    case "assert":
      return "error";
    default:
      return "log";
  }
}

/** A value as Chromium's and WebKit's protocols describe it. */
export interface RemoteObject {
  readonly type: string;
  readonly value?: unknown;
  readonly unserializableValue?: string;
  readonly description?: string;
  readonly objectId?: string;
}

export function describe({ type, value, unserializableValue, description }: RemoteObject): string {
  if (typeof value === "string") return value;
  if (value !== undefined) return JSON.stringify(value);
  return unserializableValue ?? description ?? type;
}
