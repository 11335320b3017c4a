import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { bindingsSite, type BindingsSite } from "../support/bindings-site.ts";
import type { PageEvent, Shown } from "../support/bindings-page.ts";
import { holds, visit } from "../support/client-site.ts";
import { root } from "../support/run.ts";
import { until } from "../support/sources.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

const url = "/events?topic=a";

describe.each(browserNames)("in %s", (name) => {
  const used = useBrowser(name);
  /** Leaves the page before its hub shuts down, so that it does not disturb the next test. */
  afterEach(() => used.page.goto("about:blank"));

  const render = (followed: Readonly<Record<string, string>>): Promise<void> =>
    used.page.evaluate(`void page.render(${JSON.stringify(followed)})`);
  const shown = (component: string): Promise<Shown> => used.page.evaluate<Shown>(`page.shown("${component}")`);
  const given = (component: string): Promise<unknown[]> =>
    used.page.evaluate<unknown[]>(`page.records.given["${component}"] ?? []`);
  const place = (id: string, src: string): Promise<void> =>
    used.page.evaluate(`void page.place(${JSON.stringify(id)}, ${JSON.stringify(src)})`);
  const own = (): Promise<PageEvent[]> => used.page.evaluate<PageEvent[]>("page.records.own");
  const captured = (): Promise<PageEvent[]> => used.page.evaluate<PageEvent[]>("page.records.captured");
  const strays = (): Promise<string[]> => used.page.evaluate<string[]>("page.records.strays");

  /** Creates a site, and loads its page. */
  async function visited(...options: Parameters<typeof bindingsSite>): Promise<BindingsSite> {
    const site = await bindingsSite(...options);
    await visit(used.page, `${site.origin}/bindings`);
    return site;
  }

  /** Publishes numbers, the first and the last included. */
  async function publish({ hub }: BindingsSite, first: number, last = first, topic = "a"): Promise<void> {
    for (let number = first; number <= last; number += 1) await hub.topic(topic).publish(number);
  }

  const numbers = (first: number, last: number): number[] =>
    Array.from({ length: last - first + 1 }, (_, i) => first + i);

  describe("useComet", () => {
    test("gives all components with one address each message once, over one connection, in strict mode", async () => {
      const site = await visited();
      await render({ one: url, two: url, other: "/events?topic=b" });
      await holds(used.page, "['one', 'two', 'other'].every((name) => page.shown(name).state === 'open')");
      await publish(site, 1, 100);
      await publish(site, 7, 7, "b");
      await holds(used.page, "page.shown('one').data === 100 && page.shown('two').data === 100");
      await holds(used.page, "page.shown('other').data === 7");
      for (const component of ["one", "two"]) expect(await given(component)).toEqual(numbers(1, 100));
      expect(await given("other")).toEqual([7]);
      expect(await shown("one")).toEqual({ data: 100, state: "open", gaps: 0 });
      expect([site.asked.length, site.opened.length, site.reasons]).toEqual([2, 2, []]);
      expect(used.page.console.filter(({ level }) => level === "error")).toEqual([]);
    });

    test("keeps the connection of components that mount again within a second, and no other", async () => {
      const site = await visited();
      await render({ one: url });
      await holds(used.page, "page.shown('one').state === 'open'");
      await publish(site, 1);
      await holds(used.page, "page.shown('one').data === 1");
      await used.page.evaluate(
        `new Promise((resolve) => {
          page.render({});
          const look = () => {
            if (document.getElementById("one") !== null) setTimeout(look);
            else resolve(void page.render({ two: ${JSON.stringify(url)} }));
          };
          look();
        })`,
      );
      await holds(used.page, "page.shown('two').data === 1");
      await publish(site, 2);
      await holds(used.page, "page.shown('two').data === 2");
      expect([site.asked.length, site.reasons, await given("two")]).toEqual([1, [], [2]]);
      await render({});
      await until(() => site.reasons.length === 1);
      await render({ one: url });
      await holds(used.page, "page.shown('one').state === 'open'");
      expect([await shown("one"), site.asked.length]).toEqual([{ state: "open", gaps: 0 }, 2]);
    });

    test("shows that there is no connection, and why, and loses nothing", async () => {
      const site = await visited();
      await render({ one: url, two: url });
      await holds(used.page, "page.shown('one').state === 'open'");
      await publish(site, 1, 10);
      await holds(used.page, "page.shown('one').data === 10 && page.shown('two').data === 10");
      site.down();
      await holds(used.page, "['one', 'two'].every((name) => page.shown(name).error === 'ERR_NETWORK')");
      expect(await shown("two")).toEqual({ data: 10, state: "connecting", error: "ERR_NETWORK", gaps: 0 });
      await publish(site, 11, 20);
      site.up();
      await holds(used.page, "page.shown('one').data === 20 && page.shown('two').data === 20");
      for (const component of ["one", "two"]) {
        expect(await shown(component)).toEqual({ data: 20, state: "open", gaps: 0 });
        expect(await given(component)).toEqual(numbers(1, 20));
      }
    });

    test("counts gaps, and is closed after a refusal", async () => {
      const site = await visited({
        log: { maxEntries: 5 },
        authorize: (_, topics) => (topics.includes("secret") ? 403 : true),
      });
      await render({ one: url, refused: "/events?topic=secret" });
      await holds(used.page, "page.shown('one').state === 'open' && page.shown('refused').state === 'closed'");
      await publish(site, 1);
      await holds(used.page, "page.shown('one').data === 1");
      site.down();
      await holds(used.page, "page.shown('one').state === 'connecting'");
      await publish(site, 2, 20);
      site.up();
      await holds(used.page, "page.shown('one').data === 20");
      expect(await shown("one")).toEqual({ data: 20, state: "open", gaps: 1 });
      expect(await given("one")).toEqual([1, ...numbers(16, 20)]);
      expect(await shown("refused")).toEqual({ state: "closed", error: "ERR_FORBIDDEN", gaps: 0 });
    });
  });

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
