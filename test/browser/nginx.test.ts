import { describe, expect, test } from "vitest";
import { Follower, serveHub, streams } from "../support/hub.ts";
import { startNginx } from "../support/nginx.ts";
import { until } from "../support/sources.ts";

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
