import { assertInteger, MAX_TIMER_MS } from "../../core/options.ts";
import { MAX_BEAT_MS, MIN_BEAT_MS } from "./signals.ts";

/** Options of presence, which knows the subscribers of a topic in all processes. */
export interface PresenceOptions {
  /**
   * The period in milliseconds of the heartbeats between processes, from 10 to 60,000. Use the same in all processes.
   *
   * Processes send heartbeats only while one of them asks for presence. Subscribers of a process that has died
   * count for at most three beats.
   *
   * @default 2000
   */
  readonly beatMs?: number;
  /**
   * The time in milliseconds that an identity must be absent before its `leave` is emitted, from 0 to 2,147,483,647.
   *
   * @default 5000
   */
  readonly graceMs?: number;
}

/** Checks the options of presence and fills in the defaults. @throws {CometError} `ERR_OPTION`. */
export function checkPresenceOptions({
  beatMs = 2000,
  graceMs = 5000,
}: PresenceOptions = {}): Required<PresenceOptions> {
  return {
    beatMs: assertInteger("presence.beatMs", beatMs, MIN_BEAT_MS, MAX_BEAT_MS),
    graceMs: assertInteger("presence.graceMs", graceMs, 0, MAX_TIMER_MS),
  };
}
