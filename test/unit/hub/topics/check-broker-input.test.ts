import { describe, expect, test } from "vitest";
import { MemoryBrokers } from "../../../../src/brokers/memory/memory-brokers.ts";
import { assertHistory, isNotice } from "../../../../src/hub/topics/check-broker-input.ts";
import type { Broker, BrokerMessage, History, Notice } from "../../../../src/log/broker.ts";
import { followHub, notedHub } from "../../../support/hub.ts";
import { expectCode, turns, until } from "../../../support/sources.ts";

const message = (offset: number, fields: Partial<BrokerMessage> = {}): BrokerMessage => ({
  offset,
  at: 1,
  json: "1",
  event: undefined,
  key: undefined,
  messageId: undefined,
  ...fields,
});
const history: History = { epoch: "e", floor: 0, head: 2, now: 5, messages: [message(1), message(2)] };

describe("a broker's answer", () => {
  test("is accepted if it keeps the contract", () => {
    expect(() => assertHistory(history, 0)).not.toThrow();
    expect(() => assertHistory({ ...history, messages: [] }, 2)).not.toThrow();
    const finite = { ttlMs: 1, begunAfter: 0, isExpired: false };
    expect(() => assertHistory({ ...history, finite }, 0)).not.toThrow();
  });

  test.each<[string, object]>([
    ["no epoch", { epoch: undefined }],
    ["an epoch with a line end", { epoch: "a\nb" }],
    ["an epoch that is too long", { epoch: "x".repeat(33) }],
    ["a floor that is no offset", { floor: -1 }],
    ["a floor beyond its head", { floor: 3 }],
    ["a head that is no number", { head: NaN }],
    ["an unsafe head", { head: 2 ** 53 }],
    ["no time", { now: NaN }],
    ["no messages", { messages: null }],
    ["a state that is none", { finite: null }],
    ["a state without a time", { finite: { ttlMs: NaN, begunAfter: 0, isExpired: false } }],
    ["a state without a beginning", { finite: { ttlMs: 1, begunAfter: -1, isExpired: false } }],
    ["a state that is neither", { finite: { ttlMs: 1, begunAfter: 0, isExpired: "no" } }],
    ["messages in another order", { messages: [message(2), message(1)] }],
    ["a message twice", { messages: [message(1), message(1)] }],
    ["a message beyond its head", { messages: [message(3)] }],
    ["a message without a time", { messages: [message(1, { at: NaN })] }],
  ])("is rejected with %s", async (_, fields) => {
    await expectCode(
      "ERR_BROKER",
      () => assertHistory({ ...history, ...fields }, 0),
      /^The broker's answer is invalid/,
    );
  });
});

test.each<[unknown, boolean]>([
  [{ epoch: "e", previous: 0, message: message(1) }, true],
  [{ epoch: "e", previous: 1, message: message(1) }, false],
  [{ epoch: "e", previous: 0, message: message(1.5) }, false],
  [{ epoch: "e", previous: 0, message: null }, false],
  [{ epoch: "e", previous: "0", message: message(1) }, false],
  [{ epoch: "", previous: 0, message: message(1) }, false],
  [{ epoch: "a b", previous: 0, message: message(1) }, false],
  [{}, false],
  [null, false],
  ["notice", false],
])("knows whether %j is a notice", (value, expected) => {
  expect(isNotice(value)).toBe(expected);
});

/** A memory broker that changes what it returns and notifies of. */
function changing(change: { history?: (given: History) => unknown; notice?: (given: Notice) => unknown }): Broker {
  const broker = new MemoryBrokers().join();
  return {
    name: "changing",
    isDense: true,
    attach: (host) => broker.attach(host),
    publish: (...args) => broker.publish(...args),
    read: async (...args) => (change.history ?? ((given: History) => given))(await broker.read(...args)) as History,
    listen: (topic, listener) =>
      broker.listen(topic, (notice) => listener((change.notice ?? ((given: Notice) => given))(notice) as Notice)),
    unlisten: (topic) => broker.unlisten(topic),
    renew: (...args) => broker.renew(...args),
    signal: (text) => broker.signal(text),
    close: () => broker.close(),
  };
}

describe("a hub", () => {
  test("reads a topic whose notices are bad, and reports them once", async () => {
    const bad: unknown[] = [null, {}, { epoch: "e\n", previous: 0 }, "text"];
    let count = 0;
    const { hub, errors } = notedHub({
      broker: changing({ notice: (notice) => (count < bad.length ? bad[count++] : notice) }),
    });
    const follower = await (await followHub(hub, "topic=t")).begun();
    for (let i = 0; i < 6; i += 1) await hub.topic("t").publish(i);
    await follower.has(6);
    expect(follower.data).toEqual([0, 1, 2, 3, 4, 5]);
    expect(errors).toMatchObject([{ code: "ERR_MESSAGE" }]);
  });

  test("delivers the stored message if only its notice is bad", async () => {
    const changed = { json: "{bad", event: "comet:end" };
    const { hub, errors } = notedHub({
      broker: changing({
        notice: (notice) =>
          notice.message.offset === 2 ? { ...notice, message: { ...notice.message, ...changed } } : notice,
      }),
    });
    const follower = await (await followHub(hub, "topic=t")).begun();
    for (let i = 1; i <= 3; i += 1) await hub.topic("t").publish(i);
    await follower.has(3);
    expect(follower.data).toEqual([1, 2, 3]);
    expect(follower.items.filter(({ type }) => type === "gap")).toEqual([]);
    expect(errors).toMatchObject([{ code: "ERR_MESSAGE", message: expect.stringContaining("Message 2 of") as string }]);
  });

  test("shows messages that a dense broker left out as a gap, with right positions after it", async () => {
    const without = (given: History): History => ({
      ...given,
      messages: given.messages.filter(({ offset }) => offset !== 2 && offset !== 3),
    });
    const { hub, errors } = notedHub({ broker: changing({ history: without }) });
    for (let i = 1; i <= 4; i += 1) await hub.topic("t").publish(i);
    const follower = await (await followHub(hub, "topic=t&from=oldest")).has(1);
    const position = await hub.topic("t").publish(5);
    await until(() => follower.data.at(-1) === 5);
    expect(follower.items.at(-1)).toMatchObject({ id: position });
    expect(errors).toMatchObject([{ message: expect.stringContaining("Messages 2 to 3 of the topic") as string }]);
  });

  test("pauses before it reads again from a broker that has lost messages and keeps its epoch", async () => {
    let hasLost = false;
    let reads = 0;
    const lossy = async (given: History): Promise<History> => {
      reads += 1;
      await turns();
      return hasLost ? { ...given, head: 0, messages: [] } : given;
    };
    const broker = { ...changing({ history: lossy }), renew: () => Promise.resolve() };
    const { hub } = notedHub({ broker });
    const follower = await (await followHub(hub, "topic=t")).begun();
    const ahead = (await hub.topic("t").publish(1)).replace(/1$/, "2");
    await follower.has(1);
    hasLost = true;
    reads = 0;
    expect((await hub.fetch(new Request(`http://hub.test/?topic=t&lastEventId=${ahead}`))).status).toBe(503);
    expect(reads).toBe(2);
  });

  test("reports an answer that breaks the contract while the broker is connected, once", async () => {
    let reads = 0;
    const broken = (given: History): unknown => {
      reads += 1;
      return { ...given, epoch: "a\nevent: evil" };
    };
    const { hub, errors } = notedHub({ broker: changing({ history: broken }) });
    await expect(hub.fetch(new Request("http://hub.test/?topic=t"))).resolves.toMatchObject({ status: 503 });
    await until(() => reads === 4);
    expect(errors).toMatchObject([
      { code: "ERR_BROKER", message: expect.stringContaining("its epoch is not") as string },
    ]);
  });
});
