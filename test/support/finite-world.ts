import { expect, vi } from "vitest";
import {
  Enumeratee,
  Enumerator,
  Hub,
  type Channel,
  type CometError,
  type EndOptions,
  type OverflowPolicy,
  type StreamOutcome,
} from "../../src/index.ts";
import type { Place } from "../soak/support/position.ts";
import { flushed } from "./fake-sink.ts";
import type { FiniteReader } from "./finite-reader.ts";
import { FiniteRecord } from "./finite-record.ts";
import { FiniteStanding } from "./finite-standing.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface FiniteWorldOptions {
  readonly maxEntries: number;
  readonly overflow: OverflowPolicy;
  /** The time that a topic is kept after its end. */
  readonly ttlMs: number;
  /** The time that a reader waits for a topic to begin. */
  readonly startTimeoutMs: number;
  /** The room that the hub has: for everything, for two topics with messages, or for 1 MiB. */
  readonly room: "plenty" | "two topics" | "1 MiB";
}

/** The data of a message. */
export type FiniteMessage = { readonly topic: string; readonly number: number };

/** A tenth of it is the period of the hub's sweeps. */
const MAX_AGE_MS = 500;
/** The topic whose messages fill the hub's memory, and one of them. */
const FILLING = "filling";
const LARGE = "x".repeat(400_000);

/** What readers see in place of an `Error`. */
const HIDDEN = { code: "ERR_FAILED", message: "The source of this topic has failed." };

/** A hub whose topics end, a plain record of them, and readers that check everything that they are sent against it. */
export class FiniteWorld {
  readonly hub: Hub;
  readonly options: FiniteWorldOptions;
  readonly record = new FiniteRecord();
  readonly readers: FiniteReader[] = [];
  readonly topics: readonly string[];
  readonly #time: VirtualTime;
  readonly #standings = new Map<string, FiniteStanding>();
  /** What the newest producer of each topic has emitted. */
  readonly #pulled = new Map<string, number[]>();
  /** The sources of the producers that run. */
  readonly #sources = new Map<string, Channel<undefined>>();
  #number = 0;
  /** The calls of the hub that are not settled. */
  #unsettled = 0;
  readonly #failures: unknown[] = [];

  constructor(topics: readonly string[], time: VirtualTime, options: FiniteWorldOptions) {
    this.topics = topics;
    this.#time = time;
    this.options = options;
    const { maxEntries, overflow, ttlMs, startTimeoutMs, room } = options;
    const forever = 2_000_000_000;
    this.hub = new Hub({
      topics: (name) => name === FILLING || { finite: true, ttlMs, startTimeoutMs },
      log: { maxEntries, maxAgeMs: MAX_AGE_MS },
      overflow,
      stallMs: forever,
      pollMs: forever,
      maxConnectionAgeMs: forever,
      heartbeatMs: 0,
      ...(room === "two topics" ? { maxTopics: 2 } : {}),
      ...(room === "1 MiB" ? { maxLogBytes: 1_048_576, maxMessageBytes: 1_048_576 } : {}),
      onError: (error) => this.#reported(error),
    });
  }

  publish(topic: string, count: number): void {
    for (let i = 0; i < count; i += 1) {
      const number = this.#next();
      const call = this.standing(topic).called();
      void this.#attempt(
        () => this.hub.topic<FiniteMessage>(topic).publish({ topic, number }, { key: String(number % 3) }),
        (position) => {
          const place = call(position);
          this.record.published(topic, place, number);
        },
        this.standing(topic).mayHaveEnded,
      );
    }
  }

  async end(topic: string, options: EndOptions): Promise<void> {
    const call = this.standing(topic).called();
    const time = performance.now();
    await this.#attempt(
      () => {
        const ended = this.hub.topic(topic).end(options);
        this.standing(topic).mayEnd();
        return ended;
      },
      (position) => {
        const { epoch, offset } = call(position);
        // Readers see nothing of an `Error`.
        const shown = options.error instanceof Error ? HIDDEN : options.error;
        const { code, message } = (shown ?? {}) as { code?: string; message?: string };
        const outcome = options.error === undefined ? (options.outcome ?? "complete") : "failed";
        this.record.ended(topic, epoch, { offset, outcome, code, message });
        if (this.standing(topic).restarts === 0) this.standing(topic).surelyEndedAt = time;
      },
      this.standing(topic).mayHaveEnded,
    );
  }

  stop(topic: string): void {
    this.standing(topic).mayEnd();
    this.standing(topic).stops += 1;
    const noRoom = ({ code }: CometError): void => {
      expect([this.options.room, code]).toEqual(["two topics", "ERR_LIMIT"]);
    };
    void this.settles(this.hub.stop(topic), () => undefined, noRoom);
  }

  async delete(topic: string): Promise<void> {
    // A producer learns of the end of its topic in the next turn, and of nothing if the topic is removed before.
    if (this.standing(topic).producers > 0) await flushed();
    this.standing(topic).remove();
    await this.hub.topic(topic).delete();
  }

  /** Runs a producer, or joins the one that runs. */
  produce(topic: string, restart: boolean): void {
    const standing = this.standing(topic);
    const pulled: number[] = [];
    let call: ((position: string) => Place) | undefined;
    let removals = 0;
    standing.producers += 1;
    if (restart) {
      this.standing(topic).mayEnd();
      standing.remove();
      standing.restarts += 1;
      standing.stops += 1;
    } else this.standing(topic).called();
    const outcome = this.hub.produce(
      topic,
      () => {
        this.#pulled.set(topic, pulled);
        call = this.standing(topic).called();
        removals = standing.removals;
        const numbered = (): FiniteMessage => {
          const number = this.#next();
          pulled.push(number);
          return { topic, number };
        };
        const emitted = Enumerator.unicast<undefined>((channel) => void this.#sources.set(topic, channel));
        return emitted.through(Enumeratee.map(numbered));
      },
      { restart },
    );
    void this.settles(outcome, (result: StreamOutcome) => {
      standing.producers -= 1;
      if (restart) standing.restarts -= 1;
      const { position, outcome: how, code, message } = result;
      // It has joined another producer, or was stopped before it began.
      if (call === undefined) return;
      // It has published nothing: the topic had ended or was removed before.
      if (position === undefined) return;
      const { epoch, offset } = call(position);
      this.record.pulled(topic, epoch, pulled);
      // A topic that was removed has no end. Where there is no room, it may have none either, or be removed before its
      // producer knows of its end.
      const hasEnd = how === "complete" || (!this.mayEvict && standing.removals === removals);
      if (hasEnd) this.record.ended(topic, epoch, { offset, outcome: how, code, message });
    });
  }

  /** The source of a producer emits. */
  emit(topic: string, count: number): void {
    for (let i = 0; i < count; i += 1) this.#sources.get(topic)?.push(undefined);
  }

  /** The source of a producer ends or fails. */
  finish(topic: string, fails: boolean): void {
    const source = this.#sources.get(topic);
    if (source === undefined) return;
    this.#sources.delete(topic);
    this.standing(topic).mayEnd();
    if (!fails) source.end();
    else {
      this.standing(topic).hasFailed = true;
      source.fail(new Error("The source has failed."));
    }
  }

  /** Fills the memory of the hub, so that its oldest messages leave, after everything that is queued is sent. */
  async fill(): Promise<void> {
    if (this.options.room !== "1 MiB") return;
    await flushed();
    void this.hub.topic<string>(FILLING).publish(LARGE);
  }

  /** Lets time pass, after everything that is queued is sent: no server stands still for so long. */
  async pass(ms: number): Promise<void> {
    await flushed();
    this.#time.pass(ms);
  }

  /** Ends all topics, and lets every reader read until nothing more comes. */
  async settle(): Promise<void> {
    for (const topic of this.topics) this.finish(topic, false);
    await flushed();
    for (let round = 0; round < 40 && this.readers.some(({ isDone }) => !isDone); round += 1) {
      for (const topic of this.topics) if (round < 2) await this.end(topic, {});
      for (const reader of this.readers) {
        reader.read();
        reader.connect("ndjson");
      }
      await flushed();
      for (const reader of this.readers) reader.take();
      await this.pass(round < 8 ? 5 : 3000);
    }
    await flushed();
    // A reader of three topics may keep the hub from the third.
    if (this.options.room === "two topics") for (const reader of this.readers) reader.cut(0);
    else for (const reader of this.readers) reader.expectDone();
    await this.pass(5000);
    await flushed();
    expect(this.#failures).toEqual([]);
    expect(this.#unsettled, "calls of the hub that never settle").toBe(0);
    this.record.verify((topic, outcome) => {
      if (outcome === "stopped") return this.standing(topic).stops > 0;
      return outcome === "failed" && (this.standing(topic).hasFailed || this.mayEvict);
    });
    await this.hub.close({ drainMs: 0 });
    expect(this.hub.stats().connections).toBe(0);
  }

  /** Removes the timers of this world from the virtual clock. */
  dispose(): void {
    vi.clearAllTimers();
  }

  standing(topic: string): FiniteStanding {
    let standing = this.#standings.get(topic);
    if (standing === undefined) {
      standing = new FiniteStanding(topic, this.options.ttlMs, this.mayEvict);
      this.#standings.set(topic, standing);
    }
    return standing;
  }

  /** Whether the hub may have removed a topic because it lacks room. */
  get mayEvict(): boolean {
    return this.options.room !== "plenty";
  }

  /** Calls the hub. It may refuse the call where it has no room, or because the topic has ended. */
  async #attempt(call: () => Promise<string>, done: (position: string) => void, mayHaveEnded: boolean): Promise<void> {
    let sent: Promise<string>;
    try {
      sent = call();
    } catch (error) {
      expect([this.options.room, (error as CometError).code]).toEqual(["two topics", "ERR_LIMIT"]);
      return;
    }
    const ended = (error: CometError): void => {
      expect([error.code, mayHaveEnded]).toEqual(["ERR_ENDED", true]);
    };
    await this.settles(sent, done, ended);
  }

  /** Awaits a call. What it or its check throws fails the test in the end. */
  async settles<T>(call: Promise<T>, done: (value: T) => void, failed?: (error: CometError) => void): Promise<void> {
    this.#unsettled += 1;
    try {
      await (failed === undefined ? call.then(done) : call.then(done, failed));
    } catch (error) {
      this.#failures.push(error);
    }
    this.#unsettled -= 1;
  }

  #reported(error: unknown): void {
    const { code, cause, message } = error as CometError & { readonly cause?: CometError };
    const isFull = this.options.room === "two topics" && [code, cause?.code].includes("ERR_LIMIT");
    const refused = this.topics.find((topic) => message.includes(`"${topic}"`));
    // The last element that its producer's source was pulled for is not published.
    if (cause?.code === "ERR_LIMIT" && refused !== undefined) this.#pulled.get(refused)?.pop();
    const isOwn = code === "ERR_FAILED" && cause?.message === "The source has failed.";
    // A source fails when its topic has ended, and the topic is removed before the source knows that.
    const mayBeRemoved = this.mayEvict || this.topics.some((topic) => this.standing(topic).removals > 0);
    const isLate = [code, cause?.code].includes("ERR_ENDED") && mayBeRemoved;
    if (!isFull && !isOwn && !isLate) this.#failures.push(error);
  }

  #next(): number {
    this.#number += 1;
    return this.#number;
  }
}
