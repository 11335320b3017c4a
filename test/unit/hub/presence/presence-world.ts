import { expect } from "vitest";
import type { Hub, HubOptions, Presence, PresenceChange } from "../../../../src/index.ts";
import type { Broker } from "../../../../src/log/broker.ts";
import { MemoryBrokers } from "../../../../src/brokers/memory/memory-brokers.ts";
import type { Connection } from "../../../../src/hub/delivery/connection.ts";
import { FakeSink, open } from "../../../support/fake-sink.ts";
import { FaultyBroker } from "../../../support/faulty-broker.ts";
import { notedHub, type NotedHub } from "../../../support/hub.ts";

/** A broker that records its signals, and can lose them. */
export class NotedBroker extends FaultyBroker {
  /** The signals that were sent, without their envelopes. */
  readonly sent: string[] = [];
  /** Whether a signal is lost for all recipients. */
  drops = (_text: string): boolean => false;

  override signal(text: string): void {
    this.sent.push(text);
    if (!this.drops(text)) super.signal(text);
  }

  /** The types of the signals that were sent: `hello`, `want` ... */
  get types(): string[] {
    return this.sent.map((text) => text.split(" ")[3] ?? "");
  }

  count(type: string): number {
    return this.types.filter((other) => other === type).length;
  }
}

export interface PresenceProcess extends NotedHub {
  readonly broker: NotedBroker;
}

/** Short beats, so that tests are fast; a grace period that no test waits for by mistake. */
export const quick = { beatMs: 50, graceMs: 150 };

export function processes(
  count: number,
  presence: HubOptions["presence"] = quick,
  shared: { join(): Broker } = new MemoryBrokers(),
): PresenceProcess[] {
  return Array.from({ length: count }, () => {
    const broker = new NotedBroker(shared.join());
    return { broker, ...notedHub({ presence, broker }) };
  });
}

/** A client without a network: `connection.gone()` disconnects it. */
export async function attend(hub: Hub, identity?: string, query = "topic=room"): Promise<Connection> {
  const options = identity === undefined ? {} : { identity };
  return (await open(hub, query, new FakeSink(), options)).connection;
}

/** Presence as an object that tests can compare. */
export function plain({ subscribers, identities }: Presence): { subscribers: number; [identity: string]: number } {
  return { ...Object.fromEntries(identities), subscribers };
}

export async function presenceOf(hub: Hub, topic = "room"): Promise<ReturnType<typeof plain>> {
  return plain(await hub.topic(topic).presence());
}

/** Time limit for a hub to learn a change, in milliseconds. */
const PATIENCE_MS = 30_000;

/** Waits until a hub has this presence for a topic, and returns the milliseconds that this took. */
export async function untilPresence(hub: Hub, expected: ReturnType<typeof plain>, topic = "room"): Promise<number> {
  const start = performance.now();
  for (;;) {
    const now = await presenceOf(hub, topic);
    const elapsed = performance.now() - start;
    try {
      expect(now).toEqual(expected);
      return elapsed;
    } catch (error) {
      if (elapsed > PATIENCE_MS) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Waits until a hub counts this number of subscribers, which may be too many to compare. */
export async function untilSubscribers(hub: Hub, expected: number, topic = "room"): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const { subscribers } = await hub.topic(topic).presence();
    if (subscribers === expected) return;
    if (performance.now() > end) expect(subscribers).toBe(expected);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Reads the changes of a topic, once it knows the present state. */
export async function changesOf(hub: Hub, topic = "room"): Promise<PresenceChange[]> {
  const changes: PresenceChange[] = [];
  await hub.topic(topic).presence();
  void (async () => {
    for await (const change of hub.topic(topic).presenceChanges()) changes.push(change);
  })();
  return changes;
}

export const join = (identity: string, subscribers: number): PresenceChange => ({
  type: "join",
  identity,
  subscribers,
});
export const leave = (identity: string, subscribers: number): PresenceChange => ({
  type: "leave",
  identity,
  subscribers,
});

export type Two = [PresenceProcess, PresenceProcess];
export type Three = [PresenceProcess, PresenceProcess, PresenceProcess];
