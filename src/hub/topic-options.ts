/**
 * The options that an application gives a topic, and their checks.
 *
 * `TopicOptions` is public: `docs/options.md` states each range and default too.
 */

import { CometError, describe } from "../core/errors.ts";
import { assertInteger, MAX_TIMER_MS } from "../core/options.ts";
import type { Broker } from "../log/broker.ts";
import type { LogBounds } from "../log/entry.ts";
import type { OverflowPolicy } from "./request-options.ts";
import type { FiniteSettings } from "./topics/finite-life.ts";

/** Whether and how a topic ends. */
export interface FiniteOptions {
  /**
   * Whether the topic ends: `topic.end` says when. Its readers begin at its first message, and no message of it is too
   * old before its end.
   *
   * @default false
   */
  readonly finite?: boolean;
  /**
   * The time in milliseconds, from 1, that the topic is kept after its end. Then following it is refused with 410
   * (`ERR_TOPIC_EXPIRED`). Only with `finite`.
   *
   * @default the hub's `log.maxAgeMs`
   */
  readonly ttlMs?: number;
  /**
   * The time in milliseconds, from 0, that a reader waits for a topic that has not begun. Then the reader gets 404
   * (`ERR_TOPIC_UNKNOWN`) or, if its stream is open, an item `missing`. Only with `finite`.
   *
   * @default 10_000
   */
  readonly startTimeoutMs?: number;
}

/** Options of one topic. */
export interface TopicOptions extends FiniteOptions {
  /** The bounds of the topic's log. A bound that is left out is the hub's. */
  readonly log?: Partial<LogBounds>;
  /**
   * The bounds to which the broker keeps the topic. A bound that is left out is the hub's. Only with a broker.
   */
  readonly history?: Partial<LogBounds>;
  /** The policy for slow subscribers of this topic. The hub's by default. */
  readonly overflow?: OverflowPolicy;
}

/**
 * Checks the bounds of a log, or of a history.
 *
 * @param option The name of the option: `log` or `history`.
 * @throws {CometError} `ERR_OPTION`.
 */
export function checkLogBounds(option: string, given: Partial<LogBounds> | undefined, fallback: LogBounds): LogBounds {
  const bound = (name: keyof LogBounds, min: number, max: number): number =>
    assertInteger(`${option}.${name}`, given?.[name] ?? fallback[name], min, max);
  return {
    maxEntries: bound("maxEntries", 1, 2 ** 24),
    maxBytes: bound("maxBytes", 1024, Number.MAX_SAFE_INTEGER),
    maxAgeMs: bound("maxAgeMs", 1, MAX_TIMER_MS),
  };
}

/** The settings on which the bounds of a topic's history depend. */
export interface HistoryDefaults {
  /** The bounds of the topic's log. */
  readonly log: LogBounds;
  /** The hub's bounds of the history, as the application gives them. */
  readonly history: Partial<LogBounds> | undefined;
  readonly broker: Broker | undefined;
}

/**
 * Checks the bounds of a topic's history: those of its log, where nothing else is said.
 *
 * @throws {CometError} `ERR_OPTION` if there is no broker to keep it, or if a bound is below the log's.
 */
export function checkHistory(
  given: Partial<LogBounds> | undefined,
  { log, history, broker }: HistoryDefaults,
): LogBounds {
  if (given === undefined && history === undefined) return log;
  if (broker === undefined) throw new CometError("ERR_OPTION", "history is kept by a broker: add one, or set log.");
  const checked = checkLogBounds("history", { ...history, ...given }, log);
  for (const name of ["maxEntries", "maxBytes", "maxAgeMs"] as const) {
    if (checked[name] >= log[name]) continue;
    const why = `history.${name} (${checked[name]}) must not be below log.${name} (${log[name]})`;
    throw new CometError("ERR_OPTION", `${why}: a process would keep more than the broker.`);
  }
  return checked;
}

/** The time in milliseconds that a reader waits for a topic that ends to begin, by default. */
export const START_TIMEOUT_MS = 10_000;

/** The settings of a hub on which topics that end depend. */
export interface FiniteDefaults {
  readonly log: LogBounds;
  readonly broker: Broker | undefined;
}

/**
 * Checks whether and how a topic ends. `undefined` if it does not.
 *
 * @throws {CometError} `ERR_OPTION`; `ERR_BROKER_CONFIG` if the hub's broker cannot keep such topics.
 */
export function checkFinite(
  { finite = false, ttlMs, startTimeoutMs }: FiniteOptions,
  { log, broker }: FiniteDefaults,
): FiniteSettings | undefined {
  if (typeof (finite as unknown) !== "boolean") {
    throw new CometError("ERR_OPTION", `finite must be true or false, not ${describe(finite)}.`);
  }
  if (!finite) {
    if (ttlMs === undefined && startTimeoutMs === undefined) return undefined;
    throw new CometError("ERR_OPTION", "ttlMs and startTimeoutMs are options of topics that end: add finite: true.");
  }
  const settings = {
    ttlMs: assertInteger("ttlMs", ttlMs ?? log.maxAgeMs, 1, MAX_TIMER_MS),
    startTimeoutMs: assertInteger("startTimeoutMs", startTimeoutMs ?? START_TIMEOUT_MS, 0, MAX_TIMER_MS),
  };
  if (broker !== undefined) assertKeeps(broker, settings);
  return settings;
}

/** @throws {CometError} `ERR_BROKER_CONFIG` if a broker cannot keep such a topic. */
function assertKeeps({ name, finite }: Broker, { ttlMs }: FiniteSettings): void {
  if (finite === undefined) {
    throw new CometError("ERR_BROKER_CONFIG", `The broker ${describe(name)} does not keep topics that end.`);
  }
  if (ttlMs <= finite.maxKeptMs) return;
  const limit = `The broker ${describe(name)} keeps no message for longer than ${finite.maxKeptMs} ms`;
  throw new CometError("ERR_BROKER_CONFIG", `${limit}, so ttlMs cannot be ${ttlMs}. Raise maxAgeMs of the broker.`);
}
