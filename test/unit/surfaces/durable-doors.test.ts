import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { stream } from "@durable-streams/client";
import { EventSource } from "eventsource";
import { expect, onTestFinished, test } from "vitest";
import { nodeHandler } from "../../../src/adapters/node/index.ts";
import { CometSource } from "../../../src/client/index.ts";
import { Follower } from "../../support/hub.ts";
import { json, LiveReader, testStreams, text, type TestStreams } from "../../support/durable-streams.ts";
import { until } from "../../support/sources.ts";

/** A server with two doors: `/live` is the hub's, `/streams/` that of Durable Streams. */
async function serveDoors(): Promise<TestStreams & { readonly origin: string }> {
  const streams = testStreams({}, { prefix: "/streams/" });
  const [live, durable] = [nodeHandler(streams.hub), nodeHandler(streams.streams)];
  const server = createServer((request, response) =>
    request.url?.startsWith("/streams/") === true ? durable(request, response) : live(request, response),
  );
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { ...streams, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

test("passes appends and publications of one stream of JSON to the readers at every door", async () => {
  const { hub, origin } = await serveDoors();
  const url = `${origin}/streams/chat`;
  await fetch(url, { method: "PUT", headers: json, body: '[{"n":1}]' });
  const follow = (wire: string, query = ""): Promise<Follower> =>
    Follower.fetch(`${origin}/live?topic=chat&wire=${wire}${query}`);
  const doors = {
    ndjson: await follow("ndjson"),
    comet: await follow("comet", "&callback=parent.cometMessage"),
    managedSse: await follow("sse", "&mode=managed"),
  };
  const source = new EventSource(`${origin}/live?topic=chat`);
  onTestFinished(() => source.close());
  const heard: unknown[] = [];
  source.onmessage = ({ data }) => heard.push(JSON.parse(String(data)));
  const comet = new CometSource(`${origin}/live?topic=chat&from=oldest`);
  onTestFinished(() => comet.close());
  const got: unknown[] = [];
  comet.onmessage = ({ data }) => got.push(data);
  const live = new LiveReader(await fetch(`${url}?offset=-1&live=sse`));
  const official = await stream({ url, offset: "-1", live: "sse", json: true });
  const seen: unknown[] = [];
  official.subscribeJson(({ items }) => void seen.push(...items));
  const onServer: unknown[] = [];
  const reading = (async () => {
    for await (const { data } of hub.topic("chat").messages()) onServer.push(data);
  })();

  await fetch(url, { method: "POST", headers: json, body: '[{"n":2},{"n":3}]' });
  await hub.topic("chat").publish({ n: 4 });
  await fetch(url, { method: "POST", headers: json, body: '{"n":5}' });

  const all = [1, 2, 3, 4, 5].map((n) => ({ n }));
  for (const door of Object.values(doors)) expect((await door.has(5)).data).toEqual(all);
  expect((await live.has(5)).data.map((one) => JSON.parse(one) as unknown)).toEqual(all.map((one) => [one]));
  await until(() => [heard, got, seen, onServer].every(({ length }) => length >= 5));
  expect([heard, got, seen, onServer]).toEqual([all, all, all, all]);
  expect(await (await fetch(url)).json()).toEqual(all);
  const poll = await (await Follower.fetch(`${origin}/live?topic=chat&wire=poll&from=oldest`)).ended();
  expect(poll.data).toEqual(all);

  await fetch(url, { method: "POST", headers: { "stream-closed": "true" } });
  for (const door of Object.values(doors)) {
    expect((await door.ended()).items.some(({ type }) => type === "ended")).toBe(true);
  }
  expect((await live.ended()).controls.at(-1)).toMatchObject({ streamClosed: true, upToDate: true });
  await official.closed;
  await reading;
});

test("resumes at each door from that door's own position", async () => {
  const { hub, origin } = await serveDoors();
  const url = `${origin}/streams/log`;
  await fetch(url, { method: "PUT", headers: text });
  const first = await fetch(url, { method: "POST", headers: text, body: "a" });
  const offset = first.headers.get("stream-next-offset") ?? "";
  const position = await hub.topic("log").position();
  await fetch(url, { method: "POST", headers: text, body: "b" });
  await hub.topic("log").publish("c");
  expect(await (await fetch(`${url}?offset=${offset}`)).text()).toBe("bc");
  const live = await new LiveReader(await fetch(`${url}?offset=${offset}&live=sse`)).has(2);
  expect(live.data).toEqual(["b", "c"]);
  live.leave();
  const lastEventId = encodeURIComponent(position);
  const follower = await Follower.fetch(`${origin}/live?topic=log&wire=ndjson&lastEventId=${lastEventId}`);
  expect((await follower.has(2)).data).toEqual(["b", "c"]);
  follower.leave();
});

test("serves what the application has published before the stream was created", async () => {
  const { hub, succeed } = testStreams();
  await hub.topic("early", { finite: true }).publish({ n: 1 });
  await succeed("PUT", "/early", { headers: json, body: '{"n":2}' });
  expect(await (await succeed("GET", "/early")).json()).toEqual([{ n: 1 }, { n: 2 }]);
});

test("ends the stream when the application ends its topic", async () => {
  const { hub, send, succeed } = testStreams();
  await succeed("PUT", "/job", { headers: json });
  const live = await new LiveReader(await succeed("GET", "/job?offset=-1&live=sse")).begun();
  await hub.topic("job", { finite: true }).end();
  expect((await live.ended()).controls.at(-1)).toMatchObject({ streamClosed: true });
  expect((await succeed("HEAD", "/job")).headers.get("stream-closed")).toBe("true");
  expect((await send("POST", "/job", { headers: json, body: "1" })).status).toBe(409);
});

test("refuses to create a stream where the application has an endless topic", async () => {
  const { hub, send } = testStreams();
  await hub.topic("news").publish("x");
  const response = await send("PUT", "/news", { headers: json });
  expect(response.status).toBe(409);
  expect(await response.json()).toMatchObject({ code: "ERR_CONFLICT" });
});
