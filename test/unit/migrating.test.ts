import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { EventSource } from "eventsource";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { CometSource } from "../../src/client/index.ts";
import { root } from "../support/run.ts";

interface Example {
  readonly server: Server;
  readonly setPrice: (symbol: string, cents: number) => unknown;
  readonly say: (text: string) => unknown;
}

/** Runs an example of docs/migrating.md until the test is over. */
async function serve(name: string): Promise<Example & { readonly origin: string }> {
  vi.stubEnv("PORT", "0");
  vi.resetModules();
  const example = (await import(join(root, "examples/migrating", `${name}.ts`))) as Example;
  const { server } = example;
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
    vi.unstubAllEnvs();
  });
  if (!server.listening) await once(server, "listening");
  return { ...example, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** The `data` that an open `EventSource` receives for an event that `act` causes. */
async function firstEvent(url: string, type: string, act: () => unknown): Promise<string> {
  const source = new EventSource(url);
  onTestFinished(() => source.close());
  await once(source, "open");
  const event = once(source, type);
  await act();
  const [{ data }] = (await event) as [MessageEvent<string>];
  return data;
}

describe.each(["before", "after"])("%s", (when) => {
  test("sends an EventSource the same as a hand-written server", async () => {
    const { origin, setPrice } = await serve(`event-source-${when}`);
    const data = await firstEvent(`${origin}/live`, "price", () => setPrice("ABC", 1250));
    expect(data).toBe('{"symbol":"ABC","cents":1250}');
  });

  test("sends an EventSource the same as better-sse", async () => {
    const { origin, say } = await serve(`better-sse-${when}`);
    const data = await firstEvent(`${origin}/live`, "said", () => say("hello"));
    expect(data).toBe('{"text":"hello"}');
  });
});

test("delivers a client's message to its own room only", async () => {
  const { origin } = await serve("socket-io-after");
  const heard: string[] = [];
  const sources = ["7", "8"].map((room) => {
    const source = new CometSource<{ said: { text: string } }>(`${origin}/rooms/${room}/live`);
    onTestFinished(() => source.close());
    source.addEventListener("said", ({ data }) => heard.push(`${room}: ${data.text}`));
    return source;
  });
  await Promise.all(sources.map((source) => once(source, "open")));
  for (const [room, text] of [
    ["8", "one"],
    ["7", "two"],
    ["8", "three"],
  ]) {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ text });
    const { status } = await fetch(`${origin}/rooms/${room}/messages`, { method: "POST", headers, body });
    expect(status).toBe(204);
  }
  await vi.waitUntil(() => heard.length === 3);
  expect(heard.toSorted()).toEqual(["7: two", "8: one", "8: three"]);
});

test("delivers the same in a room as the example of Socket.IO", async () => {
  const { origin } = await serve("socket-io-before");
  // By its protocol, since the package of its client is not installed: Engine.IO 4 over polling, Socket.IO 5.
  const address = `${origin}/socket.io/?EIO=4&transport=polling&room=7`;
  const { sid } = JSON.parse((await (await fetch(address)).text()).slice(1)) as { sid: string };
  const session = `${address}&sid=${sid}`;
  const send = (packet: string): Promise<Response> => fetch(session, { method: "POST", body: packet });
  await send("40");
  expect(await (await fetch(session)).text()).toMatch(/^40/);
  await send('420["say","hello"]');
  let received = "";
  while (!received.includes("430[]")) received += await (await fetch(session)).text();
  expect(received).toContain('42["said",{"text":"hello"}]');
});
