import { now } from "../../core/clock.ts";
import { CometError, describe } from "../../core/errors.ts";
import { unrefTimeout } from "../../core/timers.ts";
import type { FiniteLife } from "../topics/finite-life.ts";
import type { LiveTopic } from "../topics/live-topic.ts";

/**
 * The longest time in milliseconds that a request waits before the head of its answer. A client takes a wire for silent
 * that has not opened after 3 s.
 */
const MAX_WAIT_MS = 2000;

/**
 * Waits until a publisher has begun one of the topics, or for 2 s: then the client waits on the open stream.
 *
 * @returns The time until which the client waits, in milliseconds of the hub's clock, 0 if it waits for nothing;
 *   at once where a topic can be followed. Rejects with `ERR_TOPIC_UNKNOWN` if the longest time is over by then.
 */
export function awaitBeginning(topics: readonly LiveTopic[]): number | Promise<number> {
  if (!topics.some(({ isAwaited }) => isAwaited)) return 0;
  const lives = topics.filter(({ isAwaited }) => isAwaited).map(({ life }) => life as FiniteLife);
  const timeoutMs = Math.max(...lives.map(({ settings }) => settings.startTimeoutMs));
  const startBy = now() + timeoutMs;
  if (lives.length < topics.length) return startBy;
  return new Promise((resolve, reject) => {
    const withdrawals = lives.map((life) => life.whenBegun(() => done()));
    const timer = unrefTimeout(done, Math.min(timeoutMs, MAX_WAIT_MS));
    function done(): void {
      clearTimeout(timer);
      for (const withdraw of withdrawals) withdraw();
      if (timeoutMs > MAX_WAIT_MS || lives.some(({ isBegun }) => isBegun)) resolve(startBy);
      else reject(notBegun(topics));
    }
  });
}

function notBegun(topics: readonly LiveTopic[]): CometError {
  const names = topics.map(({ name }) => describe(name)).join(", ");
  return new CometError("ERR_TOPIC_UNKNOWN", `No publisher has begun ${names} in time.`);
}
