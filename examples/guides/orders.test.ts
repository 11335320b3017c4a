import assert from "node:assert/strict";
import { test } from "node:test";
import { Hub } from "comet-sockets";
import { MemoryBrokers } from "comet-sockets/memory";
import { authorize, pay } from "./orders.ts";

const paid = { order: "7", status: "paid" };
const poll = "http://test/live?topic=orders:ada&from=oldest&wire=poll";

test("publishes a payment once", async () => {
  const hub = new Hub();
  await pay(hub, "ada", "7");
  await pay(hub, "ada", "7");
  await hub.close({ drainMs: 0 });
  const published: unknown[] = [];
  for await (const { data } of hub.topic("orders:ada").messages({ from: "oldest" })) published.push(data);
  assert.deepEqual(published, [paid]);
});

test("sends a payment to the customer, and to nobody else", async () => {
  const hub = new Hub({ authorize });
  await pay(hub, "ada", "7");
  const response = await hub.fetch(new Request(poll, { headers: { "x-customer": "ada" } }));
  const [opened, message, ended] = (await response.json()) as Record<string, unknown>[];
  assert.deepEqual(
    [opened?.["open"] !== undefined, message?.["data"], ended?.["end"] !== undefined],
    [true, paid, true],
  );
  assert.equal((await hub.fetch(new Request(poll, { headers: { "x-customer": "bob" } }))).status, 403);
  assert.equal((await hub.fetch(new Request(poll))).status, 401);
});

test("reaches a customer of another process", async () => {
  const memory = new MemoryBrokers();
  const [one, other] = [new Hub({ broker: memory.join() }), new Hub({ broker: memory.join() })];
  await pay(one, "ada", "7");
  const items = (await (await other.fetch(new Request(poll))).json()) as { data?: unknown }[];
  assert.deepEqual(
    items.flatMap(({ data }) => data ?? []),
    [paid],
  );
  await Promise.all([one.close({ drainMs: 0 }), other.close({ drainMs: 0 })]);
});
