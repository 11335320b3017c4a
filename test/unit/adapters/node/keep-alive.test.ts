/** TCP keep-alive, which finds clients that vanish while their stream is silent. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { nodeHandler } from "../../../../src/adapters/node/index.ts";
import { Hub, type HubOptions } from "../../../../src/index.ts";
import { RawRequest } from "../../../support/servers.ts";
import { until } from "../../../support/sources.ts";

/** Returns the arguments of each call of `setKeepAlive` on the connection of one request. */
async function keepAliveCalls(options: HubOptions, wire: string): Promise<unknown[][]> {
  const hub = new Hub(options);
  const server = createServer(nodeHandler(hub));
  onTestFinished(() => void server.close());
  await once(server.listen(0, "127.0.0.1"), "listening");
  const calls: unknown[][] = [];
  server.on("connection", (socket: Socket) => {
    socket.setKeepAlive = (...args: unknown[]) => {
      calls.push(args);
      return socket;
    };
  });
  const position = await hub.topic("a").publish(1);
  const { socket } = RawRequest.get(
    (server.address() as AddressInfo).port,
    `/?topic=a&wire=${wire}&lastEventId=${position}`,
  );
  await until(() => hub.stats().connections === 1);
  socket.destroy();
  return calls;
}

test.each([
  ["a stream without heartbeats", { heartbeatMs: 0 }, "sse"],
  ["a stream whose heartbeats are rarer than the probes", { heartbeatMs: 15_001 }, "ndjson"],
  ["a waiting poll", {}, "poll"],
])("is on for %s", async (_, options, wire) => {
  expect(await keepAliveCalls(options, wire)).toEqual([[true, 15_000]]);
});

test.each(["sse", "ndjson", "comet"])("is left alone for a stream on %s, whose heartbeats come first", async (wire) => {
  expect(await keepAliveCalls({}, wire)).toEqual([]);
});
