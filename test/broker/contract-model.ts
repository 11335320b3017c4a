import fc from "fast-check";
import { expect, test } from "vitest";
import type { History } from "../../src/log/broker.ts";
import type { Position } from "../../src/log/position.ts";
import type { LogBounds } from "../../src/log/entry.ts";
import { until } from "../support/sources.ts";
import {
  freshTopic,
  publication,
  useProcesses,
  wide,
  type BrokerTraits,
  type BrokerWorld,
  type Ear,
  type Process,
} from "./contract-world.ts";

/** A message that was published to the topic; the list of them is the reference. */
interface Published {
  readonly position: Position;
  readonly json: string;
  readonly bytes: number;
  readonly messageId: string | undefined;
}

/** Any sequence of calls has the effect that it has on a plain list. */
export function modelContract(open: () => Promise<BrokerWorld>, { trimsByBytes, renewsTopics }: BrokerTraits): void {
  const processes = useProcesses(open);
  const who = fc.nat(2);
  const topic = fc.nat(1);
  const publish = fc.record({
    type: fc.constant("publish" as const),
    who,
    topic,
    times: fc.integer({ min: 1, max: 8 }),
    size: fc.integer({ min: 3, max: 60 }),
    messageId: fc.option(fc.constantFrom("a", "b", "c"), { nil: undefined }),
  });
  const read = fc.record({ type: fc.constant("read" as const), who, topic, back: fc.nat(40) });
  const renew = fc.record({ type: fc.constant("renew" as const), who, topic, isOutdated: fc.boolean() });
  const relisten = fc.record({ type: fc.constant("relisten" as const), who, topic });
  const operation = fc.oneof(
    { weight: 6, arbitrary: publish },
    { weight: 4, arbitrary: read },
    { weight: 1, arbitrary: renew },
    { weight: 1, arbitrary: relisten },
  );
  const operations = fc.array(operation, { minLength: 5, maxLength: 30, size: "max" });
  const anyBounds = fc.record({
    maxEntries: fc.integer({ min: 1, max: 12 }),
    maxBytes: fc.integer({ min: 40, max: 400 }),
    maxAgeMs: fc.constant(300_000),
  });

  test("behaves as a list under any sequence of calls", async () => {
    const { a, b, c } = processes;
    await fc.assert(
      fc.asyncProperty(operations, fc.oneof(anyBounds, fc.constant(wide)), async (all, bounds) => {
        const topics = await Promise.all(
          [0, 1].map((i) => ModelTopic.open(`model ${i}`, [a, b, c], bounds, trimsByBytes)),
        );
        for (const { type, ...operation } of all) {
          const model = topics[operation.topic] as ModelTopic;
          if ("size" in operation) await model.publish(operation);
          else if ("back" in operation) await model.read(operation.who, operation.back);
          else if ("isOutdated" in operation) {
            // A broker may leave out notices of an epoch that is over.
            for (const each of topics) await each.heard();
            await model.renew(operation.who, operation.isOutdated);
            const others = renewsTopics || operation.isOutdated ? [] : topics.filter((other) => other !== model);
            for (const other of others) await other.renewed(operation.who);
            // An epoch of all topics is announced, so a process may notify of messages before it knows of it. A read asks for it.
            if (!renewsTopics) for (const process of [a, b, c]) await process.read(freshTopic("asked"));
          } else if (type === "relisten") await model.relisten(operation.who);
        }
        for (const model of topics) await model.settle();
      }),
      // To shrink a failure takes longer than a test may.
      { numRuns: 30, endOnFailure: true },
    );
  });
}

class ModelTopic {
  readonly #name: string;
  readonly #all: readonly Process[];
  readonly #bounds: LogBounds;
  readonly #trimsByBytes: boolean;
  readonly #published: Published[] = [];
  /** The listener of each process, and the number of messages that were published before it. */
  readonly #ears: { ear: Ear; from: number }[] = [];
  #epoch = "";
  /** The number of messages before the current epoch. */
  #renewedAt = 0;

  private constructor(label: string, all: readonly Process[], bounds: LogBounds, trimsByBytes: boolean) {
    this.#name = freshTopic(label);
    this.#all = all;
    this.#bounds = bounds;
    this.#trimsByBytes = trimsByBytes;
  }

  static async open(label: string, all: readonly Process[], bounds: LogBounds, byBytes: boolean): Promise<ModelTopic> {
    const model = new ModelTopic(label, all, bounds, byBytes);
    for (const process of all) model.#ears.push({ ear: await process.listen(model.#name), from: 0 });
    model.#epoch = (await (all[0] as Process).read(model.#name)).epoch;
    return model;
  }

  async publish(plan: { who: number; times: number; size: number; messageId: string | undefined }): Promise<void> {
    const { who, times, size, messageId } = plan;
    // All at once.
    await Promise.all(
      Array.from({ length: times }, async (_, i) => {
        const json = `"${"x".repeat(size + i)}"`;
        const id = i === 0 ? messageId : undefined;
        // An epoch may remember the ids of the one before, or not.
        const isKnown = this.#published.findIndex((other) => id !== undefined && other.messageId === id);
        if (isKnown >= 0 && isKnown < this.#renewedAt) return;
        const message = publication(json, { messageId: id });
        const position = await (this.#all[who] as Process).publish(this.#name, message, this.#bounds);
        expect(position.epoch).toBe(this.#epoch);
        if (isKnown >= 0) expect(position).toEqual(this.#published[isKnown]?.position);
        else this.#published.push({ position, json, bytes: message.bytes, messageId: id });
      }),
    );
    this.#published.sort((x, y) => this.#order(x) - this.#order(y));
  }

  async read(who: number, back: number): Promise<void> {
    const current = this.#published.slice(this.#renewedAt);
    const from = current.at(-1 - back)?.position.offset ?? 0;
    const { epoch, floor, head, messages } = await (this.#all[who] as Process).readAll(this.#name, from, this.#bounds);
    expect(epoch).toBe(this.#epoch);
    // Messages up to the floor may be held or not.
    const held = messages.filter(({ offset }) => offset > floor);
    const expected = current.filter(({ position }) => position.offset > Math.max(from, floor));
    expect(held).toMatchObject(
      expected.map(({ position, json, messageId }) => ({ offset: position.offset, json, messageId })),
    );
    expect(head).toBeGreaterThanOrEqual(current.at(-1)?.position.offset ?? 0);
    // The floor is exact only after the requested offset.
    const due = current
      .slice(current.length - this.#mustHold(current))
      .filter(({ position }) => position.offset > from);
    expect(floor).toBeLessThan(due[0]?.position.offset ?? Infinity);
  }

  async renew(who: number, isOutdated: boolean): Promise<void> {
    await (this.#all[who] as Process).renew(this.#name, isOutdated ? "0utdated" : this.#epoch);
    if (!isOutdated) await this.renewed(who);
    else expect((await this.#readAfter(who)).epoch).toBe(this.#epoch);
  }

  /** Notes that there is another epoch, for any reason. */
  async renewed(who: number): Promise<void> {
    const { epoch } = await this.#readAfter(who);
    expect(epoch).not.toBe(this.#epoch);
    this.#epoch = epoch;
    this.#renewedAt = this.#published.length;
  }

  async relisten(who: number): Promise<void> {
    const process = this.#all[who] as Process;
    await this.#heard(who);
    process.unlisten(this.#name, this.#ears[who]?.ear);
    this.#ears[who] = { ear: await process.listen(this.#name), from: this.#published.length };
  }

  /** Expects each listener to have been notified of all messages since it began. */
  async heard(): Promise<void> {
    for (const who of this.#all.keys()) await this.#heard(who);
  }

  async settle(): Promise<void> {
    await this.heard();
    for (const [who, process] of this.#all.entries()) process.unlisten(this.#name, this.#ears[who]?.ear);
    await this.read(0, this.#published.length);
  }

  /** Reads by the next process. */
  #readAfter(who: number): Promise<History> {
    return (this.#all[(who + 1) % 3] as Process).read(this.#name, 0, this.#bounds);
  }

  async #heard(who: number): Promise<void> {
    const { ear, from } = this.#ears[who] as { ear: Ear; from: number };
    const expected = this.#published.slice(from);
    await until(() => ear.notices.length >= expected.length);
    expect(ear.notices.map(({ epoch, message }) => ({ epoch, offset: message.offset, json: message.json }))).toEqual(
      expected.map(({ position, json }) => ({ ...position, json })),
    );
  }

  /** The number of newest messages that are within the bounds. */
  #mustHold(current: readonly Published[]): number {
    let bytes = 0;
    let count = 0;
    for (const message of current.toReversed()) {
      bytes += message.bytes;
      const isOver = this.#trimsByBytes && bytes > this.#bounds.maxBytes && count > 0;
      if (isOver || count === this.#bounds.maxEntries) break;
      count += 1;
    }
    return count;
  }

  /** A key to sort by: the offset within the current epoch; earlier epochs come before it. */
  #order({ position }: Published): number {
    return position.epoch === this.#epoch
      ? 2 ** 40 + position.offset
      : this.#published.findIndex((p) => p.position === position);
  }
}
