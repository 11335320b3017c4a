import { afterEach, describe, expect, test, vi } from "vitest";
import { installBatchSender, type BatchSender } from "../../../../src/hub/delivery/batch-sender.ts";
import type { Connection } from "../../../../src/hub/delivery/connection.ts";
import { Hub, type HubOptions } from "../../../../src/index.ts";
import { FakeSink, flushed, open, turn } from "../../../support/fake-sink.ts";

afterEach(() => {
  installBatchSender(undefined);
  vi.restoreAllMocks();
});

/** A sink that a batch can send to. It notes what a batch has sent, apart from what was written to it alone. */
class BatchedSink extends FakeSink {
  readonly batchKey = this;
  readonly batched: Uint8Array[] = [];
  /** Whether a batch takes it now. */
  isIdle = true;
}

/** Sends to at most `size` sinks at once. */
class FakeSender implements BatchSender {
  readonly size: number;
  /** The number of sinks of each call. */
  readonly calls: number[] = [];
  /** The groups and lengths that it was asked about. */
  readonly asked: { readonly connections: number; readonly bytes: number }[] = [];
  #sinks: BatchedSink[] = [];

  constructor(size: number) {
    this.size = size;
  }

  capacity(connections: number, bytes: number): number {
    this.asked.push({ connections, bytes });
    return this.size;
  }

  add(sink: BatchedSink): boolean {
    if (sink.isIdle) this.#sinks.push(sink);
    return sink.isIdle;
  }

  send(bytes: Uint8Array): readonly boolean[] {
    const sinks = this.#sinks;
    this.#sinks = [];
    if (sinks.length > 0) this.calls.push(sinks.length);
    return sinks.map((sink) => {
      sink.batched.push(bytes);
      return sink.write(bytes);
    });
  }
}

interface Served {
  readonly hub: Hub;
  readonly sender: FakeSender;
  readonly sinks: readonly BatchedSink[];
  readonly connections: readonly Connection[];
}

/** A hub with connections that a sender sends to. */
async function serve(count: number, size: number, options: HubOptions = {}): Promise<Served> {
  const sender = new FakeSender(size);
  installBatchSender(sender);
  // A slow machine would end a shorter slice within a pass.
  const flushSliceMs = 10_000;
  const hub = new Hub({
    heartbeatMs: 0,
    stallMs: 2_000_000_000,
    maxConnectionAgeMs: 2_000_000_000,
    flushSliceMs,
    ...options,
  });
  const sinks: BatchedSink[] = [];
  const connections: Connection[] = [];
  for (let i = 0; i < count; i += 1) {
    const sink = new BatchedSink();
    sinks.push(sink);
    connections.push((await open(hub, "topic=t", sink)).connection);
  }
  return { hub, sender, sinks, connections };
}

describe("a batch sender", () => {
  test("is given each pass for as many members as it takes at once", async () => {
    const { hub, sender, sinks } = await serve(20, 8);
    void hub.topic<string>("t").publish("x");
    void hub.topic<string>("t").publish("y");
    await flushed();
    expect(sender.calls).toEqual([8, 8, 4]);
    expect(sender.asked).toEqual([{ connections: 20, bytes: sinks[0]?.batched[0]?.length }]);
    for (const sink of sinks) {
      expect(sink.messages).toEqual(["x", "y"]);
      // The memory is the same for all members, and the opening is not sent by a batch.
      expect(sink.batched).toEqual([sinks[0]?.batched[0]]);
      expect(sink.pieces.length).toBe(2);
    }
    expect(hub.stats()).toMatchObject({ delivered: 40, lagging: 0 });
  });

  test("is not used for a group that it leaves alone", async () => {
    const { hub, sender, sinks } = await serve(3, 0);
    void hub.topic<string>("t").publish("x");
    await flushed();
    expect([sender.asked.length, sender.calls.length]).toEqual([1, 0]);
    for (const { messages } of sinks) expect(messages).toEqual(["x"]);
  });

  test("leaves the members that it cannot send to, and other sinks, to single writes", async () => {
    const { hub, sender, sinks } = await serve(10, 64);
    for (const i of [0, 4, 9]) (sinks[i] as BatchedSink).isIdle = false;
    const { sink: other } = await open(hub, "topic=t");
    void hub.topic<string>("t").publish("x");
    await flushed();
    expect(sender.calls).toEqual([7]);
    expect(sinks.map(({ batched }) => batched.length)).toEqual([0, 1, 1, 1, 0, 1, 1, 1, 1, 0]);
    for (const { messages } of [...sinks, other]) expect(messages).toEqual(["x"]);
    expect(hub.stats().delivered).toBe(11);
  });

  test("continues in the next turn when the time slice is used up, and sends to each member once", async () => {
    let time = 0;
    vi.spyOn(performance, "now").mockImplementation(() => (time += 2));
    const { hub, sender, sinks } = await serve(40, 8, { flushSliceMs: 1 });
    for (const i of [3, 30]) (sinks[i] as BatchedSink).isIdle = false;
    const all: FakeSink[] = [...sinks];
    void hub.topic<number>("t").publish(1);
    let turns = 0;
    while (!all.every(({ messages }) => messages.length > 0)) {
      await turn();
      turns += 1;
      if (turns === 2) void hub.topic<number>("t").publish(2);
      if (turns === 3) all.push((await open(hub, "topic=t&from=oldest", new BatchedSink())).sink);
    }
    expect(turns).toBeGreaterThan(4);
    for (let i = 0; i < 40; i += 1) await turn();
    for (const sink of all) expect(sink.messages).toEqual([1, 2]);
    expect(sender.calls.slice(0, 5)).toEqual([8, 8, 8, 8, 6]);
    expect(hub.stats()).toMatchObject({ delivered: 82, lagging: 0 });
  });

  test("makes a member lag whose sink takes no more, and the member gets the rest once it drains", async () => {
    const { hub, sinks, connections } = await serve(10, 64);
    const full = sinks[3] as BatchedSink;
    full.full = true;
    void hub.topic<string>("t").publish("x");
    await flushed();
    expect(hub.stats().lagging).toBe(1);
    // The hub's time limit for a stalled client runs.
    expect(connections.map(({ stalledSince }) => stalledSince < Infinity)).toEqual(sinks.map((sink) => sink === full));
    void hub.topic<string>("t").publish("y");
    await flushed();
    expect(full.messages).toEqual(["x"]);
    full.full = false;
    connections[3]?.drained();
    await flushed();
    void hub.topic<string>("t").publish("z");
    await flushed();
    for (const { messages } of sinks) expect(messages).toEqual(["x", "y", "z"]);
    expect(hub.stats().lagging).toBe(0);
    expect(full.batched.length).toBe(2);
  });

  test("sends a heartbeat, which is no message", async () => {
    let time = 0;
    vi.spyOn(performance, "now").mockImplementation(() => time);
    const { hub, sender, sinks } = await serve(10, 64, { heartbeatMs: 1000 });
    time = 100_000;
    // The hub's timer looks at its clock now and then.
    await vi.waitUntil(() => sinks.every(({ batched }) => batched.length > 0), { timeout: 60_000 });
    expect(sender.calls[0]).toBe(10);
    expect(hub.stats().delivered).toBe(0);
  });
});

describe("a hook that runs after a batch was sent", () => {
  test("ends, closes and destroys members of the batch, of a later batch and of none, and each is sent the pass once", async () => {
    let connections: readonly Connection[] = [];
    const closed: number[] = [];
    // The first message makes every connection reach its limit of bytes: each ends when it was sent.
    const onClose = ({ id }: { id: number }): void => {
      closed.push(id);
      if (id !== 1) return;
      connections[1]?.close("gone");
      connections[2]?.close("unauthorized");
      connections[3]?.destroy("error");
      connections[12]?.close("unauthorized");
      connections[13]?.destroy("error");
    };
    const served = await serve(16, 8, { maxConnectionBytes: 1024, onClose });
    ({ connections } = served);
    const { hub, sinks } = served;
    void hub.topic<string>("t").publish("x".repeat(1200));
    await flushed();
    expect(closed.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, i) => i + 1));
    const messages = sinks.map((sink) => sink.messages.length);
    expect(messages).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1]);
    expect(hub.stats()).toMatchObject({ connections: 0, lagging: 0, delivered: 14 });
  });

  test("closes a member whose sink took no more, which leaves its group once", async () => {
    const sender = new FakeSender(64);
    let connections: readonly Connection[] = [];
    const hub = new Hub({
      heartbeatMs: 0,
      maxConnectionBytes: 1024,
      onClose: (_, reason) => {
        if (reason !== "recycle") return;
        void hub.topic<string>("t").publish("z");
        connections[5]?.close("gone");
      },
    });
    void hub.topic<string>("t").publish("x".repeat(800));
    const opened: { readonly connection: Connection; readonly sink: BatchedSink }[] = [];
    for (let i = 0; i < 10; i += 1) {
      // The first one has more bytes than the others: it alone reaches its limit with the next message.
      const sink = new BatchedSink();
      const { connection } = await open(hub, `topic=t&from=${i === 0 ? "oldest" : "newest"}`, sink);
      opened.push({ connection, sink });
    }
    connections = opened.map(({ connection }) => connection);
    installBatchSender(sender);
    const full = opened[5] as (typeof opened)[number];
    full.sink.full = true;
    void hub.topic<string>("t").publish("y".repeat(200));
    await flushed();
    expect(sender.calls[0]).toBe(10);
    // It waits with its end until its sink drains.
    expect(hub.stats()).toMatchObject({ connections: 9, lagging: 1 });
    expect(full.sink.messages).toEqual(["y".repeat(200), "z"]);
    full.sink.full = false;
    full.connection.drained();
    await flushed();
    expect(full.sink.state).toBe("ended");
    expect(hub.stats()).toMatchObject({ connections: 8, lagging: 0 });
    void hub.topic<string>("t").publish("w");
    await flushed();
    for (const { sink } of opened.filter((_, n) => n !== 0 && n !== 5)) {
      expect(sink.messages).toEqual(["y".repeat(200), "z", "w"]);
    }
  });

  test("may remove the sender in the middle of a pass, and the other members are written to", async () => {
    const served = await serve(20, 8, {
      maxConnectionBytes: 1024,
      onClose: () => {
        installBatchSender(undefined);
        served.sender.add = () => false;
      },
    });
    void served.hub.topic<string>("t").publish("x".repeat(1200));
    await flushed();
    expect(served.sender.calls).toEqual([8]);
    for (const { messages } of served.sinks) expect(messages.length).toBe(1);
  });
});
