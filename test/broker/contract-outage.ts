import { expect } from "vitest";
import { CometError } from "../../src/index.ts";
import type { History } from "../../src/log/broker.ts";
import type { Position } from "../../src/log/position.ts";
import { turns } from "../support/sources.ts";
import type { Process } from "./contract-world.ts";

/** Time limit for a broker to reconnect to its server, and for any answer, in milliseconds. */
export const BACK_MS = 30_000;

/** The outcome of a publish, as far as its caller knows. */
type Outcome = Position | "not published" | "unknown";

/** The outcome that an error states. Fails for any other error. */
export function outcomeOf(error: unknown): Outcome {
  if (error instanceof CometError && error.code === "ERR_BROKER") return "not published";
  if (error instanceof CometError && error.code === "ERR_UNACKNOWLEDGED") return "unknown";
  return expect.fail(`neither ERR_BROKER nor ERR_UNACKNOWLEDGED: ${String(error)}`);
}

/** Processes that publish to some topics in turn until they are stopped. They begin at once. */
export class Publishing {
  readonly #outcomes = new Map<string, { readonly topic: string; readonly outcome: Outcome }>();
  readonly #slow: string[] = [];
  readonly #running: Promise<void>;
  #isOver = false;

  constructor(processes: readonly Process[], topics: readonly string[]) {
    this.#running = Promise.all(processes.map((process, who) => this.#run(process, who, topics))).then(() => undefined);
  }

  get failures(): number {
    return [...this.#outcomes.values()].filter(({ outcome }) => typeof outcome === "string").length;
  }

  /** Resolves when each call has been answered, and fails if one took too long. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#running;
    expect(this.#slow).toEqual([]);
  }

  /** Expects a topic to have all acknowledged messages at their positions, none that was not published, and none twice. */
  expectTruth(topic: string, { epoch, messages }: History): void {
    const offsets = new Map(messages.map(({ json, offset }) => [json, offset]));
    const own = messages.filter(({ json }) => this.#outcomes.has(json));
    expect(new Set(own.map(({ json }) => json)).size).toBe(own.length);
    for (const [json, { topic: itsTopic, outcome }] of this.#outcomes) {
      if (itsTopic !== topic || outcome === "unknown") continue;
      if (outcome === "not published") expect([json, offsets.get(json)]).toEqual([json, undefined]);
      else expect([json, outcome]).toEqual([json, { epoch, offset: offsets.get(json) }]);
    }
    // Each process keeps the order of its acknowledged messages.
    const last: number[] = [];
    for (const { json } of own) {
      if (typeof this.#outcomes.get(json)?.outcome === "string") continue;
      const [who, i] = (JSON.parse(json) as string).split(".").map(Number) as [number, number];
      expect(i).toBeGreaterThan(last[who] ?? -1);
      last[who] = i;
    }
  }

  async #run(process: Process, who: number, topics: readonly string[]): Promise<void> {
    const pending: Promise<void>[] = [];
    for (let i = 0; !this.#isOver; i += 1) {
      pending.push(this.#publish(process, topics[i % topics.length] as string, `"${who}.${i}"`));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await Promise.all(pending);
  }

  async #publish(process: Process, topic: string, json: string): Promise<void> {
    const began = performance.now();
    const isLost = (): boolean => process.told.at(-1) === "lost";
    const wasLost = isLost();
    const publishing = process.publish(topic, json).catch((error: unknown) => outcomeOf(error));
    if (wasLost) {
      // Without a connection, calls reject at once.
      const isSettled = await Promise.race([publishing.then(() => true), turns(10).then(() => false)]);
      if (isLost() && !isSettled) this.#slow.push(`${json} waits without a connection`);
    }
    const outcome = await publishing;
    const tookMs = Math.round(performance.now() - began);
    if (tookMs > BACK_MS) this.#slow.push(`${json}: ${tookMs} ms`);
    this.#outcomes.set(json, { topic, outcome });
  }
}
