import fc from "fast-check";
import type { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { nodeHandler } from "../../src/adapters/node/index.ts";
import type { Hub, HubOptions, PublishOptions } from "../../src/index.ts";
import { html, type Html, type JsonValue } from "../../src/index.ts";
import type { BrowserName } from "../support/browsers/browser.ts";
import { holds } from "../support/client-site.ts";
import { hostileMessage } from "../support/hostile.ts";
import { notedHub, type NotedHub } from "../support/hub.ts";
import { serve, type TestServer } from "../support/servers.ts";
import { until } from "../support/sources.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

const messages = fc.sample(hostileMessage, { numRuns: 150, seed: 20_261 });

interface Site extends NotedHub, TestServer {
  /** The path and query of each request for the stream, with the position of its header. */
  readonly requests: { readonly url: string; readonly lastEventId: string | undefined }[];
  /** Cuts the connections of all streams. */
  readonly cut: () => void;
}

/** A page at `/`, and a hub at `/events`. */
async function site(page: Html, options: HubOptions = {}): Promise<Site> {
  const noted = notedHub(options);
  const requests: Site["requests"] = [];
  const sockets = new Set<Socket>();
  const server = await serve((response) => {
    const { req } = response;
    if (req.url?.startsWith("/events") !== true) {
      response.setHeader("content-type", "text/html; charset=utf-8");
      response.end(req.url === "/" ? page.toString() : "");
      return;
    }
    requests.push({ url: req.url, lastEventId: req.headers["last-event-id"] as string | undefined });
    sockets.add(req.socket);
    void nodeHandler(noted.hub)(req, response);
  });
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  return { ...noted, ...server, requests, cut };
}

async function publishAll(hub: Hub, values: readonly JsonValue[], options: PublishOptions = {}): Promise<void> {
  for (const value of values) await hub.topic("a").publish(value, options);
}

/** A string as text of an event stream: PROTOCOL.md, section 5. Firefox's EventSource drops NUL besides. */
function asEventText(text: string, browser: BrowserName): string {
  const arrived = text.replace(/\r\n?/g, "\n").toWellFormed();
  return browser === "firefox" ? arrived.replaceAll("\0", "") : arrived;
}

const cometPage = (callback: string): Html => html`<!doctype html>
<meta charset="utf-8">
<title>A plain page</title>
<script>
  var received = [];
  window[${callback}] = function (message) {
    received.push([arguments.length, message]);
  };
</script>
<iframe src="/events?topic=a&amp;from=oldest&amp;callback=parent.${callback}"></iframe>`;

const eventSourcePage = html`<!doctype html>
<meta charset="utf-8">
<title>A plain page</title>
<script>
  var received = [], named = [], opens = 0, control = [];
  var source = new EventSource("/events?topic=a&topic=b&from=oldest");
  source.onopen = function () { opens += 1; };
  source.onmessage = function (event) { received.push([event.type, event.data, event.lastEventId]); };
  source.addEventListener("tick", function (event) { named.push(event.data); });
  ["open", "gap", "end", "heartbeat"].forEach(function (name) {
    source.addEventListener("comet:" + name, function () { control.push(name); });
  });
</script>`;

describe.each(browserNames)("in %s", (name) => {
  const used = useBrowser(name);

  test("calls a page's callback once for each message from an iframe, with the original value", async () => {
    const { page } = used;
    const { hub, origin, opened } = await site(cometPage("cometMessage"));
    await page.goto(origin);
    await until(() => opened.length === 1);
    await publishAll(hub, messages, { event: "tick", key: "k" });
    await holds(page, `received.length >= ${messages.length}`);
    const received = await page.evaluate<string>("JSON.stringify(received)");
    expect(received).toBe(JSON.stringify(messages.map((message) => [1, message])));
    expect(opened[0]?.wire).toBe("comet");
  });

  test("resumes the iframe by itself over many recycles, without a loss or a duplicate", async () => {
    const { page } = used;
    const { hub, origin, requests, reasons } = await site(cometPage("cometLive"), {
      maxCometBytes: 2048,
      heartbeatMs: 100,
    });
    await page.goto(origin);
    await until(() => requests.length === 1);
    const all = Array.from({ length: 120 }, (_, i) => `message ${i} ${"x".repeat(100)}`);
    for (let i = 0; i < all.length; i += 10) {
      await publishAll(hub, all.slice(i, i + 10));
      await holds(page, `received.length >= ${i + 10}`);
    }
    expect(await page.evaluate<unknown>("received")).toEqual(all.map((message) => [1, message]));
    const recycles = reasons.filter((reason) => reason === "recycle").length;
    expect(recycles).toBeGreaterThanOrEqual(5);
    expect(requests[0]?.url).not.toContain("lastEventId");
    for (const { url } of requests.slice(1))
      expect(url).toMatch(/^\/events\?topic=a&.*callback=parent\.cometLive.*&lastEventId=/);
    // The document replaces itself, so that it adds no history entry.
    expect(await page.evaluate<number>("history.length")).toBeLessThanOrEqual(3);
  });

  test("delivers every message to an EventSource as text, and named events only to their listeners", async () => {
    const { page } = used;
    const { hub, origin, opened } = await site(eventSourcePage, { heartbeatMs: 100 });
    await page.goto(origin);
    await until(() => opened.length === 1);
    await publishAll(hub, messages);
    await publishAll(hub, [1, "two", { three: 3 }], { event: "tick" });
    await holds(page, "named.length >= 3 && control.indexOf('heartbeat') >= 0");
    expect(await page.evaluate("named")).toEqual(["1", "two", '{"three":3}']);
    const received = await page.evaluate<[string, string, string][]>("received");
    expect(received.map(([type]) => type)).toEqual(messages.map(() => "message"));
    received.forEach(([, text], i) => {
      const message = messages[i] as JsonValue;
      if (typeof message === "string") expect(text).toBe(asEventText(message, name));
      else expect(JSON.stringify(JSON.parse(text))).toBe(JSON.stringify(message));
    });
    expect(received.at(-1)?.[2]).toMatch(/^a=\w+\.150,b=\w+\.0$/);
    expect(await page.evaluate<string[]>("control")).toContain("open");
  });

  test("resumes a cut EventSource at its position, without a loss or a duplicate", async () => {
    const { page } = used;
    const { hub, origin, requests, cut, opened } = await site(eventSourcePage, { retryMs: 50 });
    await page.goto(origin);
    await until(() => opened.length === 1);
    for (let round = 0; round < 4; round += 1) {
      await publishAll(hub, [`round ${round}`]);
      await holds(page, `received.length >= ${round * 2 + 1}`);
      cut();
      await hub.topic("b").publish(`while it is away ${round}`);
      await holds(page, `received.length >= ${round * 2 + 2}`);
    }
    const data = (await page.evaluate<[string, string][]>("received")).map(([, text]) => text);
    expect(data).toEqual([0, 1, 2, 3].flatMap((round) => [`round ${round}`, `while it is away ${round}`]));
    expect(requests.length).toBeGreaterThanOrEqual(5);
    for (const { lastEventId } of requests.slice(1)) expect(lastEventId).toMatch(/^a=\w+\.\d,b=\w+\.\d$/);
    for (const { states } of opened.slice(1)) expect(states).toEqual({ a: "recovered", b: "recovered" });
  });

  test("resumes an EventSource over recycles", async () => {
    const { page } = used;
    const { hub, origin, reasons } = await site(eventSourcePage, { maxConnectionBytes: 1024, retryMs: 50, pollMs: 50 });
    await page.goto(origin);
    const all = Array.from({ length: 40 }, (_, i) => `message ${i} ${"x".repeat(100)}`);
    for (let i = 0; i < all.length; i += 10) {
      await publishAll(hub, all.slice(i, i + 10));
      await holds(page, `received.length >= ${i + 10}`);
    }
    expect((await page.evaluate<[string, string][]>("received")).map(([, text]) => text)).toEqual(all);
    expect(reasons.filter((reason) => reason === "recycle").length).toBeGreaterThanOrEqual(3);
  });
});
