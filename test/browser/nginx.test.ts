import { describe, expect, onTestFinished, test } from "vitest";
import { CometSource } from "../../src/client/index.ts";
import { clientSite, follow, holds, recordOf, visit } from "../support/client-site.ts";
import { Follower, serveHub, streams } from "../support/hub.ts";
import { startNginx } from "../support/nginx.ts";
import { until } from "../support/sources.ts";
import { useBrowser } from "../support/use-browser.ts";

describe.each(["1.0", "1.1"] as const)("nginx with HTTP/%s upstream", (version) => {
  test.each(streams)("delivers each event on %s before the next is sent, and detects a disconnect", async (wire) => {
    const server = await serveHub();
    const origin = await startNginx(server.origin, version);
    const follower = await (await Follower.fetch(`${origin}/?topic=a&wire=${wire}`)).begun();
    for (let i = 1; i <= 20; i += 1) {
      await server.hub.topic("a").publish(`event ${i}`);
      await follower.has(i);
    }
    expect(follower.data).toEqual(Array.from({ length: 20 }, (_, i) => `event ${i + 1}`));
    follower.leave();
    await until(() => server.reasons.length === 1);
    expect(server.reasons).toEqual(["client"]);
  });
});

test("leaves a stream whose items are late, though it began at once", async () => {
  const server = await serveHub();
  const topic = server.hub.topic("a");
  for (let i = 0; i < 200; i += 1) await topic.publish(`message ${i}`.padEnd(100));
  const origin = await startNginx(server.origin, "1.0", "proxy_ignore_headers X-Accel-Buffering;");
  const source = new CometSource(`${origin}/?topic=a&from=oldest`);
  onTestFinished(() => source.close());
  const [opens, data, errors]: [string[], string[], string[]] = [[], [], []];
  source.onopen = ({ wire }) => opens.push(wire);
  source.onmessage = ({ data: text }) => data.push(text as string);
  source.onerror = ({ code }) => errors.push(code);
  let published = 200;
  const publish = (): Promise<string> => topic.publish(`message ${published++}`.padEnd(100));
  // nginx passes on a buffer when it is full, in the middle of a line. At this pace that takes longer than 3 s.
  while (!opens.includes("poll")) {
    await publish();
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  // Short of a buffer: a stream would hold each back.
  for (let i = 0; i < 10; i += 1) {
    await publish();
    await until(() => data.length === published);
  }
  expect(data.map((text) => Number(text.slice(8)))).toEqual(Array.from({ length: published }, (_, i) => i));
  expect([opens, errors]).toEqual([["ndjson", "poll"], []]);
}, 60_000);

describe("the client in a browser behind nginx", () => {
  const used = useBrowser("chromium");

  test.each(["ndjson", "sse", "comet", "poll"])("resumes 12 topics of 30 CJK characters over %s", async (wire) => {
    const { page } = used;
    const site = await clientSite({ hub: { maxConnectionBytes: 20_000, pollMs: 100 } });
    await visit(page, await startNginx(site.origin));
    const topics = Array.from({ length: 12 }, (_, i) => "\u4e2d".repeat(29) + String.fromCharCode(0x4e00 + i));
    const query = String(new URLSearchParams(topics.map((topic) => ["topic", topic])));
    await follow(page, wire, `/events?${query}`, { wires: [wire] });
    await holds(page, `page.records.${wire}.opens.length === 1`);
    for (let number = 1; number <= 200; number += 1) {
      await site.hub.topic(topics[number % 12] as string).publish({ number, padding: "x".repeat(400) });
      if (number % 40 === 0) await holds(page, `page.records.${wire}.messages === ${number}`);
    }
    const { errors, messages, closes, opens } = await recordOf(page, wire);
    expect([errors, messages, closes, opens]).toEqual([[], 200, [], [wire]]);
    expect(site.asked.length).toBeGreaterThan(3);
    await page.evaluate(`void page.sources.${wire}.close()`);
  });
});

test("delivers heartbeats through nginx", async () => {
  const server = await serveHub({ heartbeatMs: 50 });
  const follower = await Follower.fetch(`${await startNginx(server.origin)}/?topic=a&wire=ndjson`);
  await until(() => follower.heartbeats >= 3);
});

test("holds polls through nginx until a message, and detects an abandoned poll", async () => {
  const server = await serveHub();
  const origin = await startNginx(server.origin);
  let position = await server.hub.topic("a").publish(0);
  for (let i = 1; i <= 5; i += 1) {
    const polling = Follower.fetch(`${origin}/?topic=a&wire=poll&lastEventId=${position}`);
    await until(() => server.opened.length === i);
    await server.hub.topic("a").publish(i);
    const { data, end } = await (await polling).ended();
    expect(data).toEqual([i]);
    position = end.position;
  }
  const controller = new AbortController();
  const left = fetch(`${origin}/?topic=a&wire=poll&lastEventId=${position}`, { signal: controller.signal });
  await until(() => server.opened.length === 6);
  controller.abort();
  await left.catch(() => undefined);
  await until(() => server.reasons.at(-1) === "client");
});

test("passes a refusal through nginx unchanged, and reveals a server that breaks off", async () => {
  const server = await serveHub({ maxConnections: 1 });
  const origin = await startNginx(server.origin);
  const follower = await (await Follower.fetch(`${origin}/?topic=a&wire=ndjson`)).begun();
  const refused = await fetch(`${origin}/?topic=a`);
  expect(refused.status).toBe(503);
  expect(refused.headers.get("retry-after")).toMatch(/^\d+$/);
  expect(await refused.json()).toMatchObject({ code: "ERR_LIMIT" });
  await server.hub.close({ drainMs: 0 });
  await follower.ended();
  expect(follower.end.reason).toBe("drain");
});
