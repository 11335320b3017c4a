import { once } from "node:events";
import { mkdirSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import type { LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { MockLanguageModelV4 } from "ai/test";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";
import { createRoutes } from "../../demo/routes.ts";
import { createDemo } from "../../demo/server.ts";
import { poll } from "../support/browsers/common.ts";
import { isResumed } from "../support/chat-page.ts";
import { holds } from "../support/client-site.ts";
import { wires } from "../support/hub.ts";
import { root } from "../support/run.ts";
import { serve } from "../support/servers.ts";
import { until } from "../support/sources.ts";
import { browserNames, openPage, useBrowser } from "../support/use-browser.ts";

// The demo's model ends by itself after seven seconds. This one writes until it is stopped, so that a slow browser finds it writing.
vi.mock("../../examples/ai-chat/model.ts", () => ({
  model: new MockLanguageModelV4({
    doStream: () => {
      const parts: LanguageModelV4StreamPart[] = [
        { type: "stream-start", warnings: [] },
        { type: "text-start", id: "1" },
        { type: "text-delta", id: "1", delta: "I am still writing" },
      ];
      const start = (controller: ReadableStreamDefaultController): void =>
        parts.forEach((part) => controller.enqueue(part));
      return Promise.resolve({ stream: new ReadableStream({ start }) });
    },
  }),
}));

const pictures = join(root, "test-results/screenshots");
const demo = createDemo({ samplePeriodMs: 200 });
let origin: string;

/** The text that /machine shows for each wire. */
const ways = {
  ndjson: /a line of JSON/,
  sse: /an EventSource/,
  comet: /a hidden iframe/,
  poll: /One HTTP response after the other/,
};
const chosen = `document.querySelector(".wires [aria-current]").textContent`;
const loaded = `document.readyState === "complete"`;

/** The queries of the requests to the hub until the test ends. */
function liveRequests(): readonly URLSearchParams[] {
  const asked: URLSearchParams[] = [];
  const note = ({ url = "" }: IncomingMessage): void => {
    if (url.startsWith("/live?")) asked.push(new URLSearchParams(url.slice(6)));
  };
  demo.server.prependListener("request", note);
  onTestFinished(() => void demo.server.off("request", note));
  return asked;
}

beforeAll(async () => {
  mkdirSync(pictures, { recursive: true });
  await once(demo.server.listen(0, "127.0.0.1"), "listening");
  origin = `http://127.0.0.1:${(demo.server.address() as AddressInfo).port}`;
});
afterAll(() => demo.close());

test("updates /machine 60 times without an error in three browsers at once", async () => {
  await Promise.all(
    browserNames.map(async (name) => {
      await using page = await openPage(name);
      const text = (): Promise<string> => page.evaluate<string>("document.body?.innerText ?? ''");
      const count = async (): Promise<number> => Number(/(\d+) messages so far/.exec(await text())?.[1] ?? 0);
      await page.goto(`${origin}/machine`);
      const counts = (atLeast: number): Promise<boolean> =>
        poll(50, `${name} does not count to ${atLeast}`, async () => (await count()) >= atLeast || undefined);
      await counts(1);
      const first = await count();
      for (let more = 10; more <= 60; more += 10) {
        await counts(first + more);
        if (more === 30) await page.screenshot(join(pictures, `machine-${name}.png`));
      }
      expect(await text()).toContain(hostname());
      expect(await text()).toMatch(/\blive\b/i);
      expect(page.console).toEqual([]);
    }),
  );
});

/** The module that the demo's pages load. */
const files = createRoutes(new Hub());

/** The events that a page received. */
interface Told {
  readonly messages: readonly { readonly number: number }[];
  readonly gaps: readonly (number | null)[];
  readonly states: readonly string[];
}

describe.each(browserNames)("the demo in %s", (name) => {
  const used = useBrowser(name);

  const text = (): Promise<string> => used.page.evaluate<string>("document.body?.innerText ?? ''");
  /** Waits until the page shows a text. */
  const says = (expected: RegExp): Promise<string> =>
    poll(50, `the page does not say ${expected}`, async () => expected.exec(await text())?.[0]);
  /** The number of messages so far, as /machine shows it. */
  const count = async (): Promise<number> => Number(/(\d+) messages so far/.exec(await text())?.[1] ?? 0);

  test("/machine chooses the wire, and shows the last minute at once", async () => {
    const { page } = used;
    await page.goto(`${origin}/machine`);
    await says(/live over ndjson/);
    await says(/([4-9]\d|\d{3,}) messages so far/);
    expect(await page.evaluate(chosen)).toBe("automatic");
    await cutAndResume(/live over (ndjson|sse|comet|poll)/);
  });

  test.each(wires)("/machine uses %s if configured, and shows the last minute at once", async (wire) => {
    const { page } = used;
    await page.goto(`${origin}/machine`);
    await says(/live over/);
    const asked = liveRequests();
    await page.evaluate(`void setTimeout(() =>
      [...document.querySelectorAll(".wires a")].find((link) => link.textContent === "${wire}").click())`);
    const there = `location.search === "?wire=${wire}" && ${loaded}`;
    // The previous page may no longer respond.
    const isThere = (): Promise<boolean> => page.evaluate<boolean>(there).catch(() => false);
    await poll(20, "not loaded", async () => (await isThere()) || undefined);
    await says(new RegExp(`live over ${wire}`));
    await says(/([4-9]\d|\d{3,}) messages so far/);
    expect(await page.evaluate(chosen)).toBe(wire);
    expect(await text()).toMatch(ways[wire]);
    const entries = await page.evaluate("history.length");
    await cutAndResume(new RegExp(`live over ${wire}`), wire === "poll");
    expect(await page.evaluate(`document.getElementsByTagName("iframe").length`)).toBe(wire === "comet" ? 1 : 0);
    expect(await page.evaluate("history.length")).toBe(entries);
    expect([...new Set(asked.map((query) => query.get("wire")))]).toEqual([wire]);
  });

  /** Cuts the connection of /machine, and expects it to resume with the missed messages. */
  async function cutAndResume(live: RegExp, mayBeHidden = false): Promise<void> {
    const { page } = used;
    const before = await count();
    await page.evaluate(`void (window.states = [], new MutationObserver(() => states.push(state.textContent))
      .observe(state, { childList: true }))`);
    demo.server.closeAllConnections();
    // A browser may retry a cut poll itself, without an error.
    if (!mayBeHidden) {
      await poll(20, "not cut", async () => (await page.evaluate<boolean>("states.length >= 2")) || undefined);
      expect(await page.evaluate("states[0]")).toBe("reconnecting");
    }
    await poll(50, "no samples", async () => (await count()) > before + 2 || undefined);
    await says(live);
    // The page missed no message while it was disconnected.
    expect(await text()).not.toMatch(/missed|restarted/);
  }

  test("/network shows retries, late messages and gaps as its buttons cause them", async () => {
    const { page } = used;
    await page.goto(`${origin}/network`);
    const shown = (id: string): Promise<string> => page.evaluate(`document.getElementById("${id}").textContent`);
    const click = (selector: string): Promise<void> =>
      page.evaluate(`void document.querySelector(${JSON.stringify(selector)}).click()`);
    // Keeps the ticks alive while the page is away.
    const other = await fetch(`${origin}/live?topic=ticks`);
    const reader = (other.body as ReadableStream<Uint8Array>).getReader();
    onTestFinished(() => reader.cancel());

    await holds(page, `Number(messages.textContent) >= 2`);
    expect(await shown("state")).toBe("live over ndjson");
    await click("#cut");
    await holds(page, `Number(retries.textContent) >= 1 && Number(connections.textContent) >= 2`);
    expect(await shown("gaps")).toBe("0");

    await click("#down");
    await holds(page, `log.textContent.includes("ERR_STATUS 502")`);
    // The hub keeps six ticks, so the page misses at least two of these.
    const downAt = Date.now();
    let missed = "";
    while ([...missed.matchAll(/"at":(\d+)/g)].filter(([, at]) => Number(at) > downAt).length < 8)
      missed += new TextDecoder().decode((await reader.read()).value);
    await click("#down");
    await holds(page, `Number(gaps.textContent) === 1`);
    await holds(page, `document.querySelector("#strip .gap") && /gap in ticks: \\d+ messages/.test(log.textContent)`);

    await click("#stall");
    await holds(page, `/ERR_SILENT, retry in/.test(log.textContent)`);
    await click("#stall");
    await holds(page, `/^live over/.test(state.textContent)`);
    await page.screenshot(join(pictures, `network-${name}.png`));
  });

  test("/ai-chat/ resumes an answer after a reload, stops it, and shows it to no other user", async () => {
    const { page } = used;
    const before = page.console.length;
    const said = `document.querySelector('[data-role="assistant"]')?.textContent ?? ""`;
    await page.goto(`${origin}/ai-chat/?user=ada`);
    await holds(page, `document.querySelector("#status")?.textContent === "ready" && ${isResumed}`);
    await page.evaluate(`void document.querySelector("form").requestSubmit()`);
    await holds(page, `(${said}) === "I am still writing"`);
    await page.evaluate(`void (document.documentElement.dataset.old = "", setTimeout(() => location.reload()))`);
    const isNew = `document.documentElement.dataset.old === undefined && (${said}) === "I am still writing"`;
    // A page between two documents may not respond.
    await poll(20, "no new page", async () => (await page.evaluate<boolean>(isNew).catch(() => false)) || undefined);
    await page.screenshot(join(pictures, `ai-chat-${name}.png`));
    await page.evaluate(`void document.querySelector('button[type="button"]').click()`);
    await holds(page, `document.querySelector("#status").textContent === "ready"`);
    expect(await page.evaluate(said)).toBe("I am still writing");
    // A library of the SDK looks for `eval`, which Firefox reports. WebKit reports the request of the page before.
    const isKnown = /blocked a JavaScript eval|due to access control checks/;
    expect(page.console.slice(before).filter((each) => !isKnown.test(each.text))).toEqual([]);

    const address = await page.evaluate<string>("location.pathname");
    await page.goto(`${origin}/ai-chat/?user=bob`);
    await holds(page, `document.querySelector("#status")?.textContent === "ready"`);
    await page.goto(origin + address);
    await holds(page, `document.querySelector('[role="alert"]') !== null`);
    expect(await text()).not.toContain("I am still writing");
  });

  test("/iframe shows what it received, in order", async () => {
    const { page } = used;
    const before = page.console.length;
    // WebKit still logs the pending request of the previous page.
    const received = (): string[] =>
      page.console.slice(before).flatMap(({ text }) => (text.startsWith("Received") ? [text] : []));
    await page.goto(`${origin}/iframe`);
    await until(() => received().length >= 4);
    expect(received()).toEqual(["kiki", "foo", "bar", "end"].map((event) => `Received event: ${event}`));
    expect(await page.evaluate<string>("document.body.innerText")).toMatch(/kiki\s+foo\s+bar\s+end/);
    await page.screenshot(join(pictures, `iframe-${name}.png`));
  });

  test("/clock ticks, and the index has no error", async () => {
    const { page } = used;
    const before = page.console.length;
    await page.goto(`${origin}/clock`);
    const first = await says(/\d\d:\d\d:\d\d/);
    await poll(50, "the clock stands still", async () => !(await text()).includes(first) || undefined);
    await page.screenshot(join(pictures, `clock-${name}.png`));
    await page.goto(origin);
    await says(/With the helper/);
    await page.screenshot(join(pictures, `index-${name}.png`));
    expect(page.console.slice(before)).toEqual([]);
  });

  test.each(["manual", "enumeratee", "helper"])("shows the events of /comet/%s in the console", async (stream) => {
    const { page } = used;
    const before = page.console.length;
    await page.goto(`${origin}/comet/${stream}?delay=50`);
    await until(() => page.console.length - before >= 4);
    expect(page.console.slice(before).map(({ text }) => text)).toEqual(["kiki", "foo", "bar", "end"]);
    // Firefox may drop a navigation that begins just as the previous document has loaded.
    await poll(20, "not loaded", async () => (await page.evaluate<boolean>(loaded)) || undefined);
  });

  describe("the pages' connection", () => {
    /** A page that follows a topic of a hub as the demo's pages do, and records its events. */
    async function follow(hub: Hub, topic: string, query: string): Promise<() => Promise<Told>> {
      const { page } = used;
      const { origin } = await serve((response) => void answer(hub, topic, response as ServerResponse));
      await page.goto(`${origin}/numbers${query}`);
      return () => page.evaluate<Told>("window.told ?? { messages: [], gaps: [], states: [] }");
    }

    async function answer(hub: Hub, topic: string, response: ServerResponse): Promise<void> {
      const [path = "", query] = (response.req.url ?? "").split("?");
      if (path === "/live") await nodeHandler(hub)(response.req, response);
      else if (path !== "/numbers") files.get(path)?.answer(response.req, response, new URLSearchParams(query));
      else {
        response.setHeader("content-type", "text/html");
        response.end(`<!doctype html>
          <p id="state"></p>
          <script src="/client.global.js"></script>
          <script type="module">
            import { follow } from "/connection.js";
            window.told = { messages: [], gaps: [], states: [] };
            const state = document.getElementById("state");
            new MutationObserver(() => told.states.push(state.textContent)).observe(state, { childList: true });
            const source = follow("/live?from=oldest&topic=${topic}");
            source.onmessage = ({ data }) => told.messages.push(data);
            source.ongap = ({ missed }) => told.gaps.push(missed);
          </script>`);
      }
    }

    /** Publishes numbers while `more` returns true, each in its own script, at the page's pace. @returns how many. */
    async function publish(hub: Hub, padding: string, more: () => boolean): Promise<number> {
      let count = 0;
      const had = async (): Promise<true | undefined> =>
        (await used.page.evaluate<boolean>(`window.told?.messages.length >= ${count}`)) || undefined;
      for (; more() && count < 50_000; count += 1) {
        if (count % 100 === 0) await poll(5, `not all of ${count} came`, had);
        await hub.topic<object>("numbers").publish({ number: count, padding });
        await new Promise((resolve) => setImmediate(resolve));
      }
      return count;
    }

    async function hadAll(told: () => Promise<Told>, count: number): Promise<void> {
      await poll(100, "not all came", async () => (await told()).messages.length >= count || undefined);
      const { messages, gaps, states } = await told();
      expect(messages.map(({ number }) => number)).toEqual(Array.from({ length: count }, (_, i) => i));
      expect([gaps, states]).toEqual([[], ["connecting", "live over comet"]]);
      const one = `document.getElementsByTagName("iframe").length === 1`;
      await poll(20, "not one iframe", async () => (await used.page.evaluate<boolean>(one)) || undefined);
    }

    test("reconnects when the server ends it, without a loss or a duplicate", async () => {
      const hub = new Hub({ maxCometBytes: 200_000, heartbeatMs: 5000 });
      onTestFinished(() => hub.close({ drainMs: 0 }));
      const told = await follow(hub, "numbers", "?wire=comet");
      await hadAll(told, await publish(hub, "x".repeat(1000), () => hub.stats().recycled < 3));
    });

    test.each([
      ["the wire of its own choice", "", "ndjson"],
      ["comet", "?wire=comet", "comet"],
    ])("over %s, does not reconnect when the server refuses or dismisses it", async (_, query, wire) => {
      const hub = new Hub({ topics: (topic) => topic === "news" });
      onTestFinished(() => hub.close({ drainMs: 0 }));
      const refused = await follow(hub, "secrets", query);
      await poll(50, "not refused", async () => (await refused()).states.includes("ended") || undefined);
      expect((await refused()).states).toEqual(["connecting", "ended"]);
      const told = await follow(hub, "news", query);
      await poll(50, "not live", async () => (await told()).states.includes(`live over ${wire}`) || undefined);
      for (const subscription of hub.subscriptions()) subscription.close("gone");
      await poll(50, "not ended", async () => (await told()).states.includes("ended") || undefined);
      expect((await told()).states).toEqual(["connecting", `live over ${wire}`, "ended"]);
      expect(hub.stats().opened).toBe(1);
    });
  });
});
