/** What a heart needs of its connections. */
export interface Pulse {
  /** One channel for each server. */
  readonly channels: readonly string[];
  readonly heartbeatMs: number;
  /** Says something in such a channel; resolves when the server has it. */
  beat(channel: string): Promise<unknown>;
  /** A connection has been silent for too long, or could not say anything. */
  stopped(error: unknown): void;
}

/** For how many beats a connection may be silent. */
const PATIENCE = 1.9;
/** A tick that is late by so many beats tells of this process, and nothing of the server. */
const LATE = 0.5;

interface Beat {
  answeredAt: number;
  heardAt: number;
}

/**
 * Tries out, all the time, whether the servers are there: says something in a channel of its own over the connection for commands, and
 * expects an answer there and the same words on the connection for what is told. So a connection that is cut without a word is found.
 */
export class Heart {
  readonly #pulse: Pulse;
  readonly #beats: ReadonlyMap<string, Beat>;
  /** The only one, if there is only one server: then whatever comes shows that it is there. */
  readonly #only: Beat | undefined;
  readonly #timer: ReturnType<typeof setInterval>;
  #tickedAt = performance.now();
  #isStopped = false;

  constructor(pulse: Pulse) {
    this.#pulse = pulse;
    const now = performance.now();
    this.#beats = new Map(pulse.channels.map((channel) => [channel, { answeredAt: now, heardAt: now }]));
    this.#only = this.#beats.size === 1 ? this.#beats.values().next().value : undefined;
    this.#timer = setInterval(() => this.#tick(), pulse.heartbeatMs);
    (this.#timer as { unref?: () => void }).unref?.();
  }

  /** Something was heard in a channel. */
  heard(channel: string): void {
    const beat = this.#only ?? this.#beats.get(channel);
    if (beat !== undefined) beat.heardAt = performance.now();
  }

  /** A command was answered. */
  answered(): void {
    if (this.#only !== undefined) this.#only.answeredAt = performance.now();
  }

  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#timer);
  }

  #tick(): void {
    const now = performance.now();
    const { heartbeatMs } = this.#pulse;
    const isLate = now - this.#tickedAt > heartbeatMs * (1 + LATE);
    this.#tickedAt = now;
    for (const [channel, beat] of this.#beats) {
      if (isLate) beat.answeredAt = beat.heardAt = now - heartbeatMs * (PATIENCE - 1);
      const silentMs = now - Math.min(beat.answeredAt, beat.heardAt);
      if (silentMs > heartbeatMs * PATIENCE) {
        const which = beat.answeredAt < beat.heardAt ? "for commands" : "for what is told";
        this.#fail(new Error(`The connection ${which} was silent for ${Math.round(silentMs)} ms.`));
        return;
      }
      this.#pulse.beat(channel).then(
        () => (beat.answeredAt = performance.now()),
        (error: unknown) => this.#fail(error),
      );
    }
  }

  #fail(error: unknown): void {
    if (this.#isStopped) return;
    this.stop();
    this.#pulse.stopped(error);
  }
}
