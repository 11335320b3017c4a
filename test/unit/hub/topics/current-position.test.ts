import { expect, onTestFinished, test, vi } from "vitest";
import { MemoryBrokers } from "../../../../src/brokers/memory/memory-brokers.ts";
import type { Hub } from "../../../../src/index.ts";
import { FaultyBroker } from "../../../support/faulty-broker.ts";
import { followHub, notedHub, type NotedHub } from "../../../support/hub.ts";
import { expectCode, turns, until } from "../../../support/sources.ts";

interface Process extends NotedHub {
  readonly broker: FaultyBroker;
}

/** Hubs of three processes on one broker. */
function processes(): readonly [Process, Process, Process] {
  const shared = new MemoryBrokers();
  const join = (): Process => {
    const broker = new FaultyBroker(shared.join());
    return { broker, ...notedHub({ broker }) };
  };
  return [join(), join(), join()];
}

/** Expects a client that starts at a position to get these messages, and no gap. */
async function expectAfter(hub: Hub, position: string, data: readonly number[]): Promise<void> {
  const follower = await followHub(hub, `topic=t&lastEventId=${encodeURIComponent(position)}`);
  await follower.has(data.length);
  await hub.topic("t").publish("last");
  await follower.has(data.length + 1);
  expect(follower.open.states).toEqual({ t: "recovered" });
  expect(follower.data).toEqual([...data, "last"]);
}

test("is the position of the newest message", async () => {
  const { hub } = notedHub();
  const topic = hub.topic("t");
  const first = await topic.position();
  expect(first).toMatch(/^t=[a-z0-9]+\.0$/);
  expect(await topic.position()).toBe(first);
  const second = await topic.publish(1);
  expect(await topic.position()).toBe(second);
  await topic.publish(2);
  await expectAfter(hub, first, [1, 2]);
});

test("is after what was published in the same turn, and before what is published once it is known", async () => {
  const { hub } = notedHub();
  const topic = hub.topic("t");
  void topic.publish(1);
  const position = await topic.position();
  await topic.publish(2);
  await topic.publish(3);
  await expectAfter(hub, position, [2, 3]);
});

test("keeps no topic alive", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const { hub } = notedHub({ log: { maxAgeMs: 1000 } });
  await hub.topic("t").position();
  expect(hub.stats()).toMatchObject({ topics: 1, askedTopics: 1 });
  await vi.advanceTimersByTimeAsync(5000);
  expect(hub.stats()).toMatchObject({ topics: 0 });
});

test("is rejected once the hub is closed, and if there are too many topics", async () => {
  const { hub } = notedHub({ maxAskedTopics: 1 });
  const topic = hub.topic("t");
  await followHub(hub, "topic=other");
  await expectCode("ERR_LIMIT", () => topic.position());
  await hub.close({ drainMs: 0 });
  await expectCode("ERR_CLOSED", () => topic.position());
});

test("is after what every process had published before, without any follower", async () => {
  const [one, other, third] = processes();
  const before = await other.hub.topic("t").publish(1);
  expect(await one.hub.topic("t").position()).toBe(before);
  expect(await third.hub.topic("t").position()).toBe(before);
  await other.hub.topic("t").publish(2);
  await expectAfter(third.hub, before, [2]);
});

test("is after a message whose notice has not arrived yet", async () => {
  const [one, other] = processes();
  const follower = await (await followHub(other.hub, "topic=t")).begun();
  other.broker.loses = 1;
  const position = await one.hub.topic("t").publish(1);
  expect(await other.hub.topic("t").position()).toBe(position);
  expect((await follower.has(1)).data).toEqual([1]);
});

test("waits for a read that begins after the call", async () => {
  const [one, other] = processes();
  let open = (): void => undefined;
  // The read under way was asked before the message was published.
  other.broker.gate = new Promise((resolve) => (open = () => resolve(undefined)));
  const early = other.hub.topic("t").position();
  await until(() => other.broker.reads === 1);
  const position = await one.hub.topic("t").publish(1);
  const late = other.hub.topic("t").position();
  await turns();
  open();
  await early;
  expect(await late).toBe(position);
});

test("is rejected with ERR_BROKER while the broker cannot be read, and then is known again", async () => {
  const [one] = processes();
  one.broker.cut();
  await expectCode("ERR_BROKER", () => one.hub.topic("t").position());
  one.broker.restore();
  await until(() => one.broker.reads > 0);
  expect(await one.hub.topic("t").position()).toMatch(/^t=\w+\.0$/);
});

test("is rejected with ERR_CLOSED if the hub closes meanwhile", async () => {
  const [one] = processes();
  let answer = (): void => undefined;
  // The broker still answers, but the replica reads no further.
  one.broker.close = () => Promise.resolve();
  one.broker.gate = new Promise((resolve) => (answer = () => resolve(undefined)));
  const position = expectCode("ERR_CLOSED", () => one.hub.topic("t").position());
  await until(() => one.broker.reads === 1);
  await one.hub.close({ drainMs: 0 });
  answer();
  await position;
});
