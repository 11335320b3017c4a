import { beforeEach, describe, expect, test } from "vitest";
import { MAX_SIGNAL_BYTES } from "../../../../src/hub/presence/signals.ts";
import { MemoryBrokers } from "../../../../src/brokers/memory/memory-brokers.ts";
import { until } from "../../../support/sources.ts";
import { virtualTime, type VirtualTime } from "../../../support/virtual-time.ts";
import {
  attend,
  changesOf,
  join,
  leave,
  presenceOf,
  processes,
  quick,
  untilPresence,
  untilSubscribers,
  type PresenceProcess,
  type Three,
  type Two,
} from "./presence-world.ts";

let time: VirtualTime;
beforeEach(() => void (time = virtualTime()));

describe("presence traffic", () => {
  test("is one signal for a process that is asked for no topic", async () => {
    const [one, two] = processes(2) as Two;
    for (const { hub } of [one, two]) for (let i = 0; i < 3; i += 1) (await attend(hub, "ada")).gone();
    const start = performance.now();
    await until(() => performance.now() - start > 4 * quick.beatMs);
    expect([one.broker.types, two.broker.types]).toEqual([["hello"], ["hello"]]);
  });

  test("covers the requested topics only", async () => {
    const [one, two] = processes(2) as Two;
    await attend(two.hub, "ada");
    await attend(two.hub, "bob", "topic=other");
    await presenceOf(one.hub);
    expect(two.broker.sent.join("\n")).toContain("ada");
    expect(two.broker.sent.join("\n")).not.toMatch(/bob|other/);
  });

  test("stops when no process requests a topic any more", async () => {
    const [one, two] = processes(2, { beatMs: 20 }) as Two;
    await attend(two.hub, "ada");
    await presenceOf(one.hub);
    const silent = async (): Promise<void> => {
      let [count, since] = [-1, 0];
      await until(() => {
        const sent = one.broker.sent.length + two.broker.sent.length;
        if (sent !== count) [count, since] = [sent, performance.now()];
        return performance.now() - since > 6 * 20;
      });
    };
    await silent();
    const had = two.broker.count("have");
    for (let i = 0; i < 5; i += 1) await attend(two.hub, `late-${i}`);
    await silent();
    expect(two.broker.count("have")).toBe(had);
    // A new request restarts it.
    expect((await presenceOf(one.hub)).subscribers).toBe(6);
  });

  test("batches many changes", async () => {
    const [one, two] = processes(2, { beatMs: 500 }) as Two;
    await presenceOf(one.hub);
    const before = two.broker.count("have");
    for (let i = 0; i < 1000; i += 1) await attend(two.hub, `user-${i}`);
    await untilSubscribers(one.hub, 1000);
    expect(two.broker.count("have") - before).toBeLessThan(20);
  });

  test("sends a change alone, not the whole state", async () => {
    const [one, two] = processes(2, { beatMs: 500 }) as Two;
    for (let i = 0; i < 500; i += 1) await attend(two.hub, `user-${i}`);
    await presenceOf(one.hub);
    const before = two.broker.count("have");
    const haves = (): string[] => two.broker.sent.filter((text) => text.includes(" have ")).slice(before);
    const told = (name: string): Promise<void> => until(() => haves().some((text) => text.includes(name)));
    const late = await attend(two.hub, "late");
    await told("late");
    late.gone();
    await attend(two.hub, "later");
    await told("later");
    await attend(two.hub, "last");
    await told("last");
    for (const text of haves()) expect(text.length).toBeLessThan(300);
    // An earlier change is not sent again.
    expect(haves().at(-1)).not.toContain("late");
  });
});

describe("10,000 identities", () => {
  test("are sent in parts, each a bounded signal", async () => {
    const [one, two, three] = processes(3) as Three;
    const name = (i: number): string => `${i}-${"😀".repeat(20)}`;
    for (let i = 0; i < 10_000; i += 1) await attend(two.hub, name(i));
    for (let i = 5000; i < 6000; i += 1) await attend(three.hub, name(i));
    const presence = await one.hub.topic("room").presence();
    expect([presence.subscribers, presence.identities.size]).toEqual([11_000, 10_000]);
    for (let i = 0; i < 10_000; i += 1) {
      expect(presence.identities.get(name(i))).toBe(i >= 5000 && i < 6000 ? 2 : 1);
    }
    const sizes = two.broker.sent.map((text) => Buffer.byteLength(text));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(MAX_SIGNAL_BYTES);
    expect(Math.max(...sizes)).toBeGreaterThan(MAX_SIGNAL_BYTES / 2);
    expect(two.broker.count("have")).toBeGreaterThan(3);
  });

  test("are sent once more when a part is lost", async () => {
    const [one, two] = processes(2, { beatMs: 200 }) as Two;
    await attend(two.hub, "first");
    await presenceOf(one.hub);
    two.broker.cut();
    for (let i = 0; i < 10_000; i += 1) await attend(two.hub, `${i}-${"x".repeat(100)}`);
    let parts = 0;
    two.broker.drops = (text) => text.length > MAX_SIGNAL_BYTES / 2 && (parts += 1) === 2;
    two.broker.restore();
    const count = async (): Promise<number> => (await one.hub.topic("room").presence()).subscribers;
    await until(() => parts > 2);
    const told = parts;
    expect(await count()).toBeLessThan(10_001);
    await untilSubscribers(one.hub, 10_001);
    expect(parts).toBe(2 * told);
  });

  test("are each reported once when they leave with their process", async () => {
    const [one, two] = processes(2, { beatMs: 50, graceMs: 0 }) as Two;
    for (let i = 0; i < 10_000; i += 1) await attend(two.hub, `user-${i}`);
    const changes = await changesOf(one.hub);
    two.broker.cut();
    await until(() => changes.length === 10_000);
    expect(new Set(changes.map(({ identity }) => identity)).size).toBe(10_000);
    expect(changes.every(({ type }) => type === "leave")).toBe(true);
  });

  test("may name 10,000 topics, which few signals request, and one more is rejected", async () => {
    const [one, two] = processes(2) as Two;
    for (let i = 0; i < 20; i += 1) await attend(two.hub, "ada", `topic=room-${i}`);
    const before = one.broker.count("want");
    const all = await Promise.all(Array.from({ length: 10_000 }, (_, i) => one.hub.topic(`room-${i}`).presence()));
    expect(all.filter(({ subscribers }) => subscribers === 1)).toHaveLength(20);
    expect(one.broker.count("want") - before).toBeLessThan(50);
    await expect(one.hub.topic("more").presence()).rejects.toThrow(expect.objectContaining({ code: "ERR_LIMIT" }));
  });
});

describe("a process that is gone", () => {
  test("without a signal counts for three beats at most", async () => {
    const beatMs = 200;
    const [one, two, three] = processes(3, { beatMs, graceMs: 100 }) as Three;
    await attend(one.hub, "ada");
    await attend(two.hub, "ada");
    await attend(two.hub, "bob");
    await attend(three.hub);
    const changes = await changesOf(one.hub);
    await untilPresence(one.hub, { subscribers: 4, ada: 2, bob: 1 });
    two.broker.cut();
    const elapsed = await untilPresence(one.hub, { subscribers: 2, ada: 1 });
    expect(elapsed).toBeGreaterThan(beatMs);
    expect(elapsed).toBeLessThan(3 * beatMs + 50);
    await until(() => changes.length === 1);
    expect(changes).toEqual([leave("bob", 2)]);
    // It still counts its own subscribers, and after the same time no others.
    await untilPresence(two.hub, { subscribers: 2, ada: 1, bob: 1 });
  });

  test("after a close stops counting at once", async () => {
    const [one, two] = processes(2, { beatMs: 60_000, graceMs: 0 }) as Two;
    await attend(two.hub, "ada");
    const changes = await changesOf(one.hub);
    expect(await presenceOf(one.hub)).toEqual({ subscribers: 1, ada: 1 });
    void two.hub.close({ drainMs: 0 });
    await until(() => changes.length === 1);
    expect(changes).toEqual([leave("ada", 0)]);
    expect(await presenceOf(one.hub)).toEqual({ subscribers: 0 });
    expect(two.broker.types.at(-1)).toBe("bye");
  });

  test("temporarily counts again when it returns, with all changes since", async () => {
    const [one, two] = processes(2, { beatMs: 50, graceMs: 5000 }) as Two;
    const leaving = await attend(two.hub, "ada");
    const changes = await changesOf(one.hub);
    two.broker.cut();
    await untilPresence(one.hub, { subscribers: 0 });
    leaving.gone();
    await attend(two.hub, "bob");
    two.broker.restore();
    await untilPresence(one.hub, { subscribers: 1, bob: 1 });
    expect(changes).toEqual([join("bob", 1)]);
  });

  test("from the broker for a moment loses no subscriber", async () => {
    const [one, two] = processes(2, { beatMs: 1000, graceMs: 0 }) as Two;
    await attend(two.hub, "ada");
    const changes = await changesOf(one.hub);
    one.broker.cut();
    await attend(two.hub, "bob");
    expect(await presenceOf(one.hub)).toEqual({ subscribers: 1, ada: 1 });
    await until(() => two.broker.sent.at(-1)?.includes("bob") === true);
    one.broker.restore();
    await untilPresence(one.hub, { subscribers: 2, ada: 1, bob: 1 });
    expect(changes).toEqual([join("bob", 2)]);
  });

  test("delays an answer by a second, and then does without", async () => {
    const [one, two] = processes(2, { beatMs: 2000 }) as Two;
    await attend(two.hub, "ada");
    await presenceOf(one.hub);
    two.broker.cut();
    const start = performance.now();
    expect(await presenceOf(one.hub, "other")).toEqual({ subscribers: 0 });
    expect(performance.now() - start).toBeGreaterThan(900);
  });

  test("is not assumed when this process itself was suspended", async () => {
    const [one, two] = processes(2, { beatMs: 50, graceMs: 0 }) as Two;
    await attend(two.hub, "ada");
    const changes = await changesOf(one.hub);
    time.standStill(500);
    const again = performance.now();
    await until(() => performance.now() - again > 200);
    expect(await presenceOf(one.hub)).toEqual({ subscribers: 1, ada: 1 });
    expect(changes).toEqual([]);
  });
});

describe("lost signals", () => {
  test("are detected, and sent again", async () => {
    const all = processes(3, { beatMs: 40, graceMs: 10_000 }) as Three;
    const [one, two] = all;
    let random = 1;
    for (const { broker } of all) {
      broker.drops = () => (random = (random * 48_271) % 2_147_483_647) / 2_147_483_647 < 0.3;
    }
    const connections = [];
    for (let i = 0; i < 60; i += 1) {
      const { hub } = all[i % 3] as PresenceProcess;
      connections.push(await attend(hub, `user-${i % 20}`));
      if (i % 4 === 3) connections.splice((i * 7) % connections.length, 1)[0]?.gone();
      if (i % 10 === 0) await presenceOf(one.hub);
    }
    const expected: { subscribers: number; [identity: string]: number } = { subscribers: connections.length };
    for (const { identity = "" } of connections) expected[identity] = (expected[identity] ?? 0) + 1;
    for (const { hub } of [one, two]) await untilPresence(hub, expected);
  });

  test("are repaired by the next beat if all are lost for a while", async () => {
    const [one, two] = processes(2, { beatMs: 100, graceMs: 0 }) as Two;
    await attend(two.hub, "ada");
    const changes = await changesOf(one.hub);
    two.broker.drops = (text) => text.includes(" have ");
    await attend(two.hub, "bob");
    await until(() => two.broker.sent.some((text) => text.includes("bob")));
    expect(await presenceOf(one.hub)).toEqual({ subscribers: 1, ada: 1 });
    two.broker.drops = () => false;
    await untilPresence(one.hub, { subscribers: 2, ada: 1, bob: 1 });
    expect(changes).toEqual([join("bob", 2)]);
  });

  test("may be the first ones", async () => {
    const [one, two] = processes(2, { beatMs: 50, graceMs: 0 }) as Two;
    await attend(two.hub, "ada");
    one.broker.drops = () => true;
    expect(await presenceOf(one.hub)).toEqual({ subscribers: 0 });
    one.broker.drops = () => false;
    await untilPresence(one.hub, { subscribers: 1, ada: 1 });
  });

  test("may be reordered", async () => {
    const shared = new MemoryBrokers();
    const [one, two] = processes(2, { beatMs: 50, graceMs: 0 }, shared) as Two;
    await presenceOf(one.hub);
    const direct = shared.join();
    const kept: string[] = [];
    // Every second signal is sent after the one that follows it.
    two.broker.drops = (text) => {
      if (!text.includes(" have ")) return false;
      kept.push(text);
      if (kept.length % 2 === 0) for (const late of kept.splice(0).reverse()) direct.signal(late);
      return true;
    };
    for (let i = 0; i < 6; i += 1) {
      await attend(two.hub, `user-${i % 3}`);
      await until(() => two.broker.sent.filter((text) => text.includes(`"user-${i % 3}"`)).length > i / 3);
    }
    await untilPresence(one.hub, { subscribers: 6, "user-0": 2, "user-1": 2, "user-2": 2 });
  });
});

describe("signals of others", () => {
  const head = { from: "abc", beatMs: 50, haves: 1 };
  const text = (type: string, rest: object, version = 1): string =>
    `comet presence ${version} ${type} ${JSON.stringify({ ...head, ...rest })}`;
  const malformed = [
    "",
    "comet presence 1 ",
    "comet presence 1 beat",
    "comet presence 1 beat {",
    "comet presence 1 beat null",
    "comet presence 1 beat []",
    "another library's {}",
    text("beat", {}, 2),
    text("dance", {}),
    text("beat", { from: "" }),
    text("beat", { from: 7 }),
    text("beat", { from: "x".repeat(65) }),
    text("beat", { beatMs: 0 }),
    text("beat", { beatMs: 1e9 }),
    text("beat", { haves: -1 }),
    text("beat", { haves: "1" }),
    text("want", {}),
    text("want", { topics: "room", afresh: true }),
    text("want", { topics: ["room", 7], afresh: true }),
    text("want", { topics: ["room"] }),
    text("want", { topics: ["x".repeat(201)], afresh: true }),
    text("want", { topics: ["room"], afresh: true, of: {} }),
    text("have", {}),
    text("have", { parts: {} }),
    text("have", { parts: [7] }),
    text("have", { parts: [[]] }),
    text("have", { parts: [["room", 1, 5]].concat([["room", 4, 0]]) }),
    text("have", { parts: [["room", 1, -1]] }),
    text("have", { parts: [["room", 1, 0.5]] }),
    text("have", { parts: [["room", 1, 2e9]] }),
    text("have", { parts: [["room", 1, 0, "mallory"]] }),
    text("have", { parts: [["room", 1, 0, "mallory", "1"]] }),
    text("have", { parts: [["room", 1, 0, "", 1]] }),
    text("have", { parts: [["room", 1, 0, "x".repeat(201), 1]] }),
    text("have", { parts: [["room", 1, 0, "mallory", 1]], padding: "x".repeat(MAX_SIGNAL_BYTES) }),
    `comet presence 1 have ${"[".repeat(200_000)}`,
  ];

  test("have no effect if they are malformed", async () => {
    const shared = new MemoryBrokers();
    const [one] = processes(1, quick, shared) as [PresenceProcess];
    await attend(one.hub, "ada");
    await presenceOf(one.hub);
    const wants = one.broker.count("want");
    const stranger = shared.join();
    for (const signal of malformed) stranger.signal(signal);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect(await presenceOf(one.hub)).toEqual({ subscribers: 1, ada: 1 });
    // No malformed signal added a process.
    expect(one.broker.sent.slice(wants).join("\n")).not.toContain('"of":"abc"');
    expect(one.errors).toEqual([]);
  });

  test("have an effect if they are well-formed, so the test above can fail", async () => {
    const shared = new MemoryBrokers();
    const [one] = processes(1, quick, shared) as [PresenceProcess];
    await presenceOf(one.hub);
    shared.join().signal(text("have", { parts: [["room", 1, 2, "eve", 3]] }));
    await until(() => one.broker.count("want") > 0);
    await untilPresence(one.hub, { subscribers: 5, eve: 3 });
    await untilPresence(one.hub, { subscribers: 0 });
  });

  test("are reported to onError if the broker throws", async () => {
    const [one, two] = processes(2) as Two;
    await presenceOf(two.hub);
    const broken = new Error("no way");
    one.broker.drops = () => {
      throw broken;
    };
    await attend(one.hub, "ada");
    expect(await presenceOf(one.hub)).toEqual({ subscribers: 1, ada: 1 });
    expect(one.errors).toContain(broken);
  });
});
