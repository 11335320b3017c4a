import { unrefInterval, type Timer } from "../../core/timers.ts";

/** The longest silence of a connection, in intervals. */
const MAX_SILENCE = 1.9;
/** A tick that is late by this many intervals shows that this process was stuck, and says nothing of the server. */
const MAX_LATENESS = 0.5;

/** The last signs of life of one server, by the clock of `performance.now()`. */
interface ServerLife {
  repliedAt: number;
  messageAt: number;
}

/**
 * Detects a connection that has been cut silently. At each interval it publishes to a channel of its own on each server, and expects
 * the reply on the connection for commands and the message on the connection for subscriptions. Both must be checked: either may be
 * cut alone.
 */
export class Heartbeat {
  readonly #intervalMs: number;
  readonly #beat: (channel: string) => Promise<unknown>;
  readonly #onFailure: (error: unknown) => void;
  readonly #servers: ReadonlyMap<string, ServerLife>;
  /** The only server, if there is one: then any message or reply is a sign of its life. */
  readonly #only: ServerLife | undefined;
  readonly #timer: Timer;
  #tickedAt = performance.now();
  #isStopped = false;

  /**
   * @param channels One channel for each server.
   * @param beat Publishes to such a channel. Resolves when the server has replied.
   * @param onFailure Called once, if a connection was silent for too long or a beat was rejected. Not after `stop`.
   */
  constructor(
    channels: readonly string[],
    intervalMs: number,
    beat: (channel: string) => Promise<unknown>,
    onFailure: (error: unknown) => void,
  ) {
    this.#intervalMs = intervalMs;
    this.#beat = beat;
    this.#onFailure = onFailure;
    const now = performance.now();
    this.#servers = new Map(channels.map((channel) => [channel, { repliedAt: now, messageAt: now }]));
    this.#only = this.#servers.size === 1 ? this.#servers.values().next().value : undefined;
    this.#timer = unrefInterval(() => this.#tick(), intervalMs);
  }

  /** Notes that a message of a channel was received. */
  messageReceived(channel: string): void {
    const server = this.#only ?? this.#servers.get(channel);
    if (server !== undefined) server.messageAt = performance.now();
  }

  /** Notes that a command was replied to. */
  replyReceived(): void {
    if (this.#only !== undefined) this.#only.repliedAt = performance.now();
  }

  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#timer);
  }

  #tick(): void {
    const now = performance.now();
    const isLate = now - this.#tickedAt > this.#intervalMs * (1 + MAX_LATENESS);
    this.#tickedAt = now;
    for (const [channel, server] of this.#servers) {
      if (isLate) server.repliedAt = server.messageAt = now - this.#intervalMs * (MAX_SILENCE - 1);
      const silentMs = now - Math.min(server.repliedAt, server.messageAt);
      if (silentMs > this.#intervalMs * MAX_SILENCE) {
        const use = server.repliedAt < server.messageAt ? "commands" : "subscriptions";
        this.#fail(new Error(`The connection for ${use} was silent for ${Math.round(silentMs)} ms.`));
        return;
      }
      this.#beat(channel).then(
        () => (server.repliedAt = performance.now()),
        (error: unknown) => this.#fail(error),
      );
    }
  }

  #fail(error: unknown): void {
    if (this.#isStopped) return;
    this.stop();
    this.#onFailure(error);
  }
}
