import { beforeEach, describe, expect, test } from "vitest";
import { Hub, type HubOptions, type PresenceChange } from "../../../../src/index.ts";
import { MemoryBrokers } from "../../../../src/brokers/memory/memory-brokers.ts";
import { followHub, notedHub } from "../../../support/hub.ts";
import { turns, until } from "../../../support/sources.ts";
import { virtualTime } from "../../../support/virtual-time.ts";
import {
  attend,
  changesOf,
  join,
  leave,
  presenceOf,
  processes,
  quick,
  untilPresence,
  type PresenceProcess,
  type Three,
  type Two,
} from "./presence-world.ts";

beforeEach(() => void virtualTime());

describe("a hub without a broker", () => {
  test("returns the subscribers of a topic at once, and the number of anonymous ones", async () => {
    const { hub } = notedHub();
    expect(await presenceOf(hub)).toEqual({ subscribers: 0 });
    const ada = await attend(hub, "ada");
    await attend(hub, "ada");
    await attend(hub, "bob", "topic=room&topic=other");
    const anonymous = await attend(hub);
    expect(ada.identity).toBe("ada");
    expect(anonymous.identity).toBeUndefined();
    expect(await presenceOf(hub)).toEqual({ subscribers: 4, ada: 2, bob: 1 });
    expect(await presenceOf(hub, "other")).toEqual({ subscribers: 1, bob: 1 });
    ada.gone();
    anonymous.gone();
    expect(await presenceOf(hub)).toEqual({ subscribers: 2, ada: 1, bob: 1 });
  });

  test("keeps names unchanged, and returns a snapshot", async () => {
    const { hub } = notedHub();
    for (const identity of ["__proto__", "0", "ä\u2028😀", "x".repeat(200)]) await attend(hub, identity);
    const before = await hub.topic("room").presence();
    expect([...before.identities]).toEqual([
      ["__proto__", 1],
      ["0", 1],
      ["ä\u2028😀", 1],
      ["x".repeat(200), 1],
    ]);
    await attend(hub, "late");
    expect([before.subscribers, before.identities.has("late")]).toEqual([4, false]);
  });

  test("counts a subscriber on any wire until its body is cancelled", async () => {
    const { hub } = notedHub({ heartbeatMs: 50 });
    const followers = [];
    for (const wire of ["ndjson", "sse", "comet"]) {
      followers.push(await (await followHub(hub, `topic=room&wire=${wire}`, {}, { identity: wire })).begun());
    }
    expect(await presenceOf(hub)).toEqual({ subscribers: 3, ndjson: 1, sse: 1, comet: 1 });
    for (const follower of followers) follower.leave();
    await untilPresence(hub, { subscribers: 0 });
  });

  test("reports each identity's first subscriber, and its last one after the grace", async () => {
    const { hub } = notedHub({ presence: { graceMs: 60 } });
    await attend(hub, "there");
    const changes = await changesOf(hub);
    const first = await attend(hub, "ada");
    const second = await attend(hub, "ada");
    await attend(hub);
    await until(() => changes.length === 1);
    first.gone();
    second.gone();
    const start = performance.now();
    await until(() => changes.length === 2);
    expect(performance.now() - start).toBeGreaterThan(50);
    expect(changes).toEqual([join("ada", 2), leave("ada", 2)]);
  });

  test("sends each reader the changes since it began, and releases it when it leaves", async () => {
    const { hub } = notedHub({ presence: { graceMs: 0 } });
    const early = await changesOf(hub);
    const ada = await attend(hub, "ada");
    await until(() => early.length === 1);
    const iterator = hub.topic("room").presenceChanges()[Symbol.asyncIterator]();
    const first = iterator.next();
    ada.gone();
    expect(await first).toEqual({ done: false, value: leave("ada", 0) });
    await iterator.return?.();
    await attend(hub, "bob");
    await until(() => early.length === 3);
    expect(early).toEqual([join("ada", 1), leave("ada", 0), join("bob", 1)]);
  });

  test("ends changes when it is closed, and reports nothing more", async () => {
    const hub = new Hub();
    const ended = (async () => {
      const changes: PresenceChange[] = [];
      for await (const change of hub.topic("room").presenceChanges()) changes.push(change);
      return changes;
    })();
    await attend(hub, "ada");
    void hub.close({ drainMs: 0 });
    expect(await ended).toEqual([join("ada", 1)]);
    await expect(hub.topic("room").presence()).rejects.toThrow(expect.objectContaining({ code: "ERR_CLOSED" }));
    const after = hub.topic("room").presenceChanges()[Symbol.asyncIterator]();
    expect(await after.next()).toEqual({ done: true, value: undefined });
  });
});

describe("hubs of several processes", () => {
  test("count the subscribers of a topic in all of them", async () => {
    const [one, two, three] = processes(3) as Three;
    await attend(one.hub, "ada");
    await attend(two.hub, "ada", "topic=room&topic=other");
    await attend(two.hub, "bob");
    const leaving = await attend(three.hub);
    await attend(three.hub, "eve", "topic=other");
    const expected = { subscribers: 4, ada: 2, bob: 1 };
    for (const { hub } of [one, two, three]) expect(await presenceOf(hub)).toEqual(expected);
    expect(await presenceOf(one.hub, "other")).toEqual({ subscribers: 2, ada: 1, eve: 1 });
    leaving.gone();
    for (const { hub } of [one, two, three]) await untilPresence(hub, { ...expected, subscribers: 3 });
    expect([one, two, three].flatMap(({ errors }) => errors)).toEqual([]);
  });

  test("answer the first query when all have replied, and later ones at once", async () => {
    const [one, two] = processes(2, { beatMs: 2000 }) as Two;
    await attend(two.hub, "ada");
    // The other process has replied when the first query is answered, which is sooner than the limit of a second.
    expect(await presenceOf(one.hub)).toEqual({ subscribers: 1, ada: 1 });
    const answers: unknown[] = [];
    void presenceOf(one.hub).then((answer) => answers.push(answer));
    await turns(3);
    expect(answers).toEqual([{ subscribers: 1, ada: 1 }]);
    expect(await presenceOf(one.hub, "other")).toEqual({ subscribers: 0 });
  });

  test("report a join and a leave once for many tabs in many processes", async () => {
    const [one, two, three] = processes(3) as Three;
    const all = await Promise.all([one, two, three].map(({ hub }) => changesOf(hub)));
    const tabs = [await attend(one.hub, "ada"), await attend(two.hub, "ada"), await attend(two.hub, "ada")];
    for (const { hub } of [one, two, three]) await untilPresence(hub, { subscribers: 3, ada: 3 });
    for (const tab of tabs) tab.gone();
    for (const changes of all) await until(() => changes.length >= 2);
    for (const changes of all) {
      expect(changes.map(({ type, identity }) => [type, identity])).toEqual([
        ["join", "ada"],
        ["leave", "ada"],
      ]);
      expect(changes[1]?.subscribers).toBe(0);
    }
  });

  test("do not report a client that reconnects within the grace to any process", async () => {
    const [one, two] = processes(2, { beatMs: 50, graceMs: 400 }) as Two;
    const changes = [await changesOf(one.hub), await changesOf(two.hub)];
    let connection = await attend(one.hub, "ada");
    for (let i = 0; i < 6; i += 1) {
      const { hub } = i % 2 === 0 ? two : one;
      connection.gone();
      for (const process of [one, two]) await untilPresence(process.hub, { subscribers: 0 });
      connection = await attend(hub, "ada");
      for (const process of [one, two]) await untilPresence(process.hub, { subscribers: 1, ada: 1 });
    }
    connection.gone();
    await until(() => changes.every(({ length }) => length === 2));
    for (const told of changes) expect(told).toEqual([join("ada", 1), leave("ada", 0)]);
  });

  test("do not report earlier subscribers as joins", async () => {
    const [one, two] = processes(2) as Two;
    const ada = await attend(two.hub, "ada");
    const changes = await changesOf(one.hub);
    await attend(two.hub, "bob");
    await until(() => changes.length === 1);
    ada.gone();
    await until(() => changes.length === 2);
    expect(changes).toEqual([join("bob", 2), leave("ada", 1)]);
  });

  test("count a process that begins later at once", async () => {
    const shared = new MemoryBrokers();
    const slow = { beatMs: 10_000, graceMs: 0 };
    const [one] = processes(1, slow, shared) as [PresenceProcess];
    const changes = await changesOf(one.hub);
    const [late] = processes(1, slow, shared) as [PresenceProcess];
    await attend(late.hub, "ada");
    await until(() => changes.length === 1);
    expect(changes).toEqual([join("ada", 1)]);
  });
});

describe("options", () => {
  test.each<HubOptions["presence"]>([
    { beatMs: 9 },
    { beatMs: 60_001 },
    { beatMs: 1.5 },
    { graceMs: -1 },
    { graceMs: 2_147_483_648 },
    { beatMs: "50" as unknown as number },
  ])("reject %j", (presence) => {
    expect(() => new Hub({ presence: presence as object })).toThrow(expect.objectContaining({ code: "ERR_OPTION" }));
  });

  test("accept both bounds of their ranges", () => {
    expect(() => new Hub({ presence: { beatMs: 10, graceMs: 0 } })).not.toThrow();
    expect(() => new Hub({ presence: { beatMs: 60_000, graceMs: 2_147_483_647 } })).not.toThrow();
    expect(() => new Hub({ presence: quick })).not.toThrow();
  });

  test.each(["", "x".repeat(201), "a\nb", "a\rb", "a\0b", "\ud800", "a\udc00b", 7, null, {}])(
    "reject the identity %j",
    async (identity) => {
      const { hub, errors } = notedHub();
      await expect(attend(hub, identity as string)).rejects.toThrow("ERR_HANDLER");
      expect(errors).toEqual([expect.objectContaining({ code: "ERR_OPTION" })]);
      expect(hub.stats()).toMatchObject({ connections: 0, opened: 0 });
    },
  );
});
