import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Iteratee, type JsonValue } from "../../../../src/index.ts";
import { followHub, notedHub, problemOf, request, wires, type Follower, type NotedHub } from "../../../support/hub.ts";

const start = Date.UTC(2026, 10, 28, 12);

// The clocks stand still, so that each message has a time of its own.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date", "performance"], now: start });
});
afterEach(() => vi.useRealTimers());

/** Publishes 1, 2, 3 ..., one a second, the last one now. */
async function publishTen(hub: NotedHub["hub"]): Promise<void> {
  for (let i = 1; i <= 10; i += 1) {
    vi.advanceTimersByTime(1000);
    await hub.topic("t").publish(i);
  }
}

/** The messages as numbers: on some wires data are text. */
const numbers = ({ data }: Follower): number[] => data.map((value: JsonValue) => Number(value));

function missedOf({ items }: Follower): (number | null)[] {
  return items.flatMap((item) => (item.type === "gap" ? [item.missed] : []));
}

describe.each(wires.flatMap((wire) => (wire === "sse" || wire === "comet" ? [wire, `${wire}&mode=managed`] : [wire])))(
  "on %s",
  (wire) => {
    test.each<[string, number]>([
      ["last:1", 10],
      ["last:4", 7],
      ["last:16777216", 1],
      [`since:${start + 8000}`, 8],
      [`since:${start + 8500}`, 9],
      ["since:2026-11-28T12:00:09Z", 9],
      ["since:2026-11-28T13:00:09+01:00", 9],
      ["since:2026-11-28T13:00:09%2B01:00", 9],
      ["since:2026-11-28T07:00:09.000-05:00", 9],
      ["since:2000-01-01T00:00:00Z", 1],
    ])("from=%s begins before the first message that it asks for", async (from, first) => {
      const { hub } = notedHub();
      await publishTen(hub);
      const follower = await followHub(hub, `topic=t&wire=${wire}&from=${from}`);
      await follower.has(11 - first);
      expect(follower.open.states).toEqual({ t: "fresh" });
      expect(numbers(follower)).toEqual(Array.from({ length: 11 - first }, (_, i) => first + i));
      expect(missedOf(follower)).toEqual([]);
    });

    test.each<[string, number | null]>([
      ["oldest", 7],
      ["last:5", 2],
      ["last:100", 7],
      ["since:2026-11-28T12:00:07Z", null],
      ["since:2026-11-28T12:00:01Z", null],
    ])("from=%s reports what the log has dropped", async (from, missed) => {
      const { hub } = notedHub({ log: { maxEntries: 3 } });
      await publishTen(hub);
      const follower = await (await followHub(hub, `topic=t&wire=${wire}&from=${from}`)).has(3);
      expect(follower.open.states).toEqual({ t: "gap" });
      expect(missedOf(follower)).toEqual([missed]);
      expect(numbers(follower)).toEqual([8, 9, 10]);
    });

    test.each(["last:3", "since:2026-11-28T12:00:08Z", "since:2026-11-28T12:00:07.002Z"])(
      "from=%s reports nothing where the log has dropped only what it does not ask for",
      async (from) => {
        const { hub } = notedHub({ log: { maxEntries: 3 } });
        await publishTen(hub);
        const follower = await (await followHub(hub, `topic=t&wire=${wire}&from=${from}`)).has(3);
        expect(follower.open.states).toEqual({ t: "fresh" });
        expect(missedOf(follower)).toEqual([]);
        expect(numbers(follower)).toEqual([8, 9, 10]);
      },
    );

    test.each(["since:2026-11-28T12:00:10.002Z", "since:2099-01-01T00:00:00Z", "last:1"])(
      "from=%s begins with the next message in a topic that has no such message",
      async (from) => {
        const { hub } = notedHub({ log: { maxAgeMs: 5000 } });
        if (from !== "last:1") await publishTen(hub);
        const follower = await (await followHub(hub, `topic=t&wire=${wire}&from=${from}`)).begun();
        await hub.topic("t").publish(11);
        if (wire !== "poll") await follower.has(1);
        expect(follower.open.states).toEqual({ t: "fresh" });
        expect(numbers(follower)).toEqual(wire === "poll" ? [] : [11]);
      },
    );
  },
);

test.each(["", "latest", "last", "last:0", "last:x", "last:16777217", "since:", "since:yesterday", "since:1764331200"])(
  "refuses from=%s with ERR_PARAMETER",
  async (from) => {
    const { hub } = notedHub();
    const { detail } = await problemOf(await hub.fetch(request(`topic=t&from=${from}`)), 400, "ERR_PARAMETER");
    expect(detail).toMatch(/^from/);
  },
);

test("refuses two starts with ERR_PARAMETER", async () => {
  const { hub } = notedHub();
  await problemOf(await hub.fetch(request("topic=t&from=last:1&from=newest")), 400, "ERR_PARAMETER");
});

test("begins only the topics that the position does not name", async () => {
  const { hub } = notedHub();
  const topic = hub.topic("a");
  const position = await topic.publish(1);
  await topic.publish(2);
  for (let i = 3; i <= 6; i += 1) await hub.topic("b").publish(i);
  const follower = await followHub(hub, `topic=a&topic=b&from=last:2&lastEventId=${encodeURIComponent(position)}`);
  await follower.has(3);
  expect(follower.open.states).toEqual({ a: "recovered", b: "fresh" });
  expect(follower.data).toEqual([2, 5, 6]);
});

test("a message published in the same turn is delivered once to a client that begins before it", async () => {
  const { hub } = notedHub();
  const other = await (await followHub(hub, "topic=t")).begun();
  for (let i = 1; i <= 3; i += 1) void hub.topic("t").publish(i);
  const follower = await followHub(hub, "topic=t&from=last:2");
  void hub.topic("t").publish(4);
  await follower.has(3);
  await other.has(4);
  void hub.topic("t").publish(5);
  await follower.has(4);
  expect(follower.data).toEqual([2, 3, 4, 5]);
  expect((await other.has(5)).data).toEqual([1, 2, 3, 4, 5]);
});

test("under latest, a start in the past gives the newest message of each key and counts the stale ones once", async () => {
  const { hub } = notedHub({ overflow: "latest", log: { maxEntries: 3 } });
  for (let i = 1; i <= 10; i += 1) await hub.topic("t").publish(i, { key: i === 5 ? "rare" : "often" });
  const last = await (await followHub(hub, "topic=t&from=last:7")).has(2);
  expect(last.data).toEqual([5, 10]);
  // Messages 4 to 10, without 5 and 10.
  expect(missedOf(last).reduce((sum: number, missed) => sum + (missed ?? NaN), 0)).toBe(5);
});

describe("in a topic that has ended", () => {
  test.each<[string, number[]]>([
    ["", [8, 9, 10]],
    ["&from=last:2", [9, 10]],
    ["&from=since:2026-11-28T12:00:10Z", [10]],
    ["&from=since:2099-01-01T00:00:00Z", []],
    ["&from=newest", []],
  ])("sends the messages that '%s' asks for, and the end", async (from, data) => {
    const { hub } = notedHub({ topics: () => ({ finite: true, log: { maxEntries: 3 } }) });
    await publishTen(hub);
    await hub.topic("t").end();
    const follower = await (await followHub(hub, `topic=t${from}`)).ended();
    expect(follower.data).toEqual(data);
    expect(missedOf(follower)).toEqual(from === "" ? [7] : []);
    expect(follower.items.at(-2)).toMatchObject({ type: "ended", outcome: "complete" });
  });

  test("counts the messages that are missing, without the end", async () => {
    const { hub } = notedHub({ topics: () => ({ finite: true, log: { maxEntries: 3 } }) });
    await publishTen(hub);
    await hub.topic("t").end();
    const follower = await (await followHub(hub, "topic=t&from=last:5")).ended();
    expect(missedOf(follower)).toEqual([2]);
    const read = await hub.topic("t").messages({ from: "last:5" }).run(Iteratee.collect());
    expect(read.map(({ data, missed }) => [data, missed])).toEqual([
      [8, 2],
      [9, undefined],
      [10, undefined],
    ]);
    const all = await hub.topic("t").messages().run(Iteratee.collect());
    expect(all.map(({ data, missed }) => [data, missed])[0]).toEqual([8, 7]);
  });
});
