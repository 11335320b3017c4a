import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { pageSite, type PageSite } from "../support/page-site.ts";
import type { PageEvent } from "../support/element-page.ts";
import { holds, visit } from "../support/client-site.ts";
import { root } from "../support/run.ts";
import { until } from "../support/sources.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

const url = "/events?topic=a";

describe.each(browserNames)("in %s", (name) => {
  const used = useBrowser(name);
  /** Leaves the page before its hub shuts down, so that it does not disturb the next test. */
  afterEach(() => used.page.goto("about:blank"));

  const place = (id: string, src: string): Promise<void> =>
    used.page.evaluate(`void page.place(${JSON.stringify(id)}, ${JSON.stringify(src)})`);
  const own = (): Promise<PageEvent[]> => used.page.evaluate<PageEvent[]>("page.records.own");
  const captured = (): Promise<PageEvent[]> => used.page.evaluate<PageEvent[]>("page.records.captured");
  const strays = (): Promise<string[]> => used.page.evaluate<string[]>("page.records.strays");

  /** Creates a site, and loads its page. */
  async function visited(...options: Parameters<typeof pageSite>): Promise<PageSite> {
    const site = await pageSite(...options);
    await visit(used.page, `${site.origin}/bindings`);
    return site;
  }

  /** Publishes numbers, the first and the last included. */
  async function publish({ hub }: PageSite, first: number, last = first, topic = "a"): Promise<void> {
    for (let number = first; number <= last; number += 1) await hub.topic(topic).publish(number);
  }

  const numbers = (first: number, last: number): number[] =>
    Array.from({ length: last - first + 1 }, (_, i) => first + i);

  describe("the element", () => {
    test("dispatches to its own listeners and to capturing ones, and closes when it is removed", async () => {
      const site = await visited({
        log: { maxEntries: 5 },
        authorize: (_, topics) => (topics.includes("secret") ? 403 : true),
      });
      await used.page.evaluate("void page.define()");
      await place("one", url);
      await holds(used.page, "page.records.own.length === 1");
      await publish(site, 1);
      await site.hub.topic("a").publish({ b: [2] }, { event: "tick" });
      await holds(used.page, "page.records.own.length === 3");
      await place("refused", "/events?topic=secret");
      await holds(used.page, "page.records.own.length === 5");
      await place("bad", "http://");
      expect(await own()).toEqual([
        { type: "open", from: "one" },
        { type: "message", from: "one", data: 1 },
        { type: "tick", from: "one", data: { b: [2] } },
        { type: "error", from: "refused", code: "ERR_FORBIDDEN" },
        { type: "close", from: "refused", reason: "error" },
        { type: "error", from: "bad", code: "ERR_URL" },
      ]);
      site.down();
      await holds(used.page, "page.records.own.length > 6");
      await publish(site, 3, 8);
      site.up();
      await holds(used.page, "page.records.own.some(({ data }) => data === 8)");
      await holds(used.page, "JSON.stringify(page.records.captured) === JSON.stringify(page.records.own)");
      const heard = (await own()).filter(({ from, type }) => from === "one" && (type === "gap" || type === "message"));
      expect(heard.map(({ type, data }) => data ?? type)).toEqual([1, "gap", ...numbers(4, 8)]);
      expect(await strays()).toEqual([]);
      await used.page.evaluate("document.getElementById('one').remove()");
      await until(() => site.hub.stats().connections === 0);
    });

    test("would call window.onerror and window.onmessage if its events bubbled", async () => {
      await visited({}, `<comet-source id="one"></comet-source>`);
      const dispatch = (type: string): Promise<void> =>
        used.page.evaluate(
          `void document.getElementById("one").dispatchEvent(new Event("${type}", { bubbles: true }))`,
        );
      await dispatch("error");
      await dispatch("message");
      expect((await strays()).toSorted()).toEqual([
        ...["body error", "body message", "document error", "document message"],
        ...["window error", "window message", "window.onerror", "window.onmessage"],
      ]);
    });

    test("opens one connection when it is defined after it was added to the page", async () => {
      const site = await visited({}, `<comet-source id="one" src="${url}"></comet-source>`);
      expect(site.asked).toHaveLength(0);
      await used.page.evaluate("void page.define()");
      await holds(used.page, "page.records.captured.length === 1");
      await publish(site, 1);
      await holds(used.page, "page.records.captured.length === 2");
      expect([site.asked.length, await captured(), await strays()]).toEqual([
        1,
        [
          { type: "open", from: "one" },
          { type: "message", from: "one", data: 1 },
        ],
        [],
      ]);
    });

    test("follows a hub in the page of docs/client.md", async () => {
      const [, html = ""] =
        /```html\n(<comet-source .*?)```/s.exec(readFileSync(join(root, "docs/client.md"), "utf8")) ?? [];
      const imports = { "comet-sockets/client": "/bindings-client.js" };
      const before = used.page.console.length;
      const { hub, opened } = await visited(
        {},
        `<script type="importmap">${JSON.stringify({ imports })}</script>${html.replace("/live?", "/events?")}`,
      );
      await until(() => opened.length === 1);
      await hub.topic("news").publish("Comet returns");
      const logged = (): string[] =>
        used.page.console.slice(before).flatMap(({ level, text }) => (level === "log" ? [text] : []));
      await until(() => logged().length === 1);
      expect(logged()).toEqual(["Comet returns"]);
    });

    test.each([
      ["that is made and placed", `<script>page.define(); page.place("bad", "http://")</script>`],
      [
        "in the page before it is defined",
        `<comet-source id="bad" src="http://"></comet-source><script>page.define()</script>`,
      ],
      [
        "in the page after it is defined",
        `<script>page.define()</script><comet-source id="bad" src="http://"></comet-source>`,
      ],
    ])("dispatches one error for an invalid address to capturing listeners: %s", async (_, body) => {
      const { asked } = await visited({}, body);
      const event = { type: "error", from: "bad", code: "ERR_URL" };
      expect([await captured(), await strays(), asked]).toEqual([[event], [], []]);
    });

    test("follows another src, and none without the attribute", async () => {
      const site = await visited();
      await used.page.evaluate("void page.define()");
      await place("one", url);
      await holds(used.page, "page.records.own.length === 1");
      await used.page.evaluate("void document.getElementById('one').setAttribute('src', '/events?topic=b')");
      await holds(used.page, "page.records.own.length === 2");
      await until(() => site.reasons.length === 1);
      await publish(site, 1);
      await publish(site, 2, 2, "b");
      await holds(used.page, "page.records.own.length === 3");
      expect((await own())[2]).toEqual({ type: "message", from: "one", data: 2 });
      await used.page.evaluate("void document.getElementById('one').removeAttribute('src')");
      await until(() => site.reasons.length === 2);
      expect(site.opened).toHaveLength(2);
    });

    test("keeps its connection and loses nothing when it is moved within the document", async () => {
      const site = await visited();
      await used.page.evaluate("void page.define()");
      await place("one", url);
      await holds(used.page, "page.records.own.length === 1");
      await publish(site, 1);
      const moves = [
        "document.body.prepend(one)",
        "document.body.appendChild(document.createElement('main')).append(one)",
        "one.remove(); document.body.append(one)",
        "document.body.firstChild.replaceWith(one)",
      ];
      for (const [i, move] of moves.entries()) {
        await used.page.evaluate(`((one) => { ${move}; })(document.getElementById("one"))`);
        await publish(site, i + 2);
      }
      const last = moves.length + 1;
      await holds(used.page, `page.records.own.some(({ data }) => data === ${last})`);
      expect(await own()).toEqual([
        { type: "open", from: "one" },
        ...numbers(1, last).map((data) => ({ type: "message", from: "one", data })),
      ]);
      expect([site.asked.length, site.opened.length, site.reasons]).toEqual([1, 1, []]);
    });

    test("follows from the start when it is removed and added again later", async () => {
      const site = await visited();
      await used.page.evaluate("void page.define()");
      await place("one", url);
      await holds(used.page, "page.records.own.length === 1");
      await used.page.evaluate("void (globalThis.one = document.getElementById('one')).remove()");
      await until(() => site.reasons.length === 1);
      await publish(site, 1);
      await used.page.evaluate("void document.body.append(one)");
      await holds(used.page, "page.records.own.length === 2");
      await publish(site, 2);
      await holds(used.page, "page.records.own.length === 3");
      expect((await own())[2]).toEqual({ type: "message", from: "one", data: 2 });
    });
  });
});
