import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { clientOf, oldestFrameworks, scriptOf, serverOf, type Renderer } from "../support/bindings/bundle-app.ts";
import type { Followed, Shown } from "../support/bindings/records.ts";
import { holds, visit } from "../support/client-site.ts";
import { pageSite, type PageSite } from "../support/page-site.ts";
import { root } from "../support/run.ts";
import { until } from "../support/sources.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

const url = "/events?topic=a";

const frameworks = ["react", "vue", "svelte", "solid"] as const;

const numbers = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);

/** Publishes numbers, the first and the last included. */
async function publish({ hub }: PageSite, first: number, last = first, topic = "a"): Promise<void> {
  for (let number = first; number <= last; number += 1) await hub.topic(topic).publish(number);
}

describe.each(browserNames)("in %s", (browser) => {
  const used = useBrowser(browser);
  /** Leaves the page before its hub shuts down, so that it does not disturb the next test. */
  afterEach(() => used.page.goto("about:blank"));

  const render = (followed: Followed): Promise<void> =>
    used.page.evaluate(`void page.render(${JSON.stringify(followed)})`);
  const shown = (component: string): Promise<Shown> => used.page.evaluate<Shown>(`page.shown("${component}")`);
  const given = (component: string): Promise<unknown[]> =>
    used.page.evaluate<unknown[]>(`page.records.given["${component}"] ?? []`);
  const rendered = (component: string): Promise<number> =>
    used.page.evaluate<number>(`page.records.renders["${component}"]`);
  const shows = (component: string, data: unknown): Promise<void> =>
    holds(used.page, `JSON.stringify(page.shown("${component}").data) === ${JSON.stringify(JSON.stringify(data))}`);
  const opens = (...components: string[]): Promise<void> =>
    holds(used.page, `${JSON.stringify(components)}.every((name) => page.shown(name).state === "open")`);

  const cases = ["the newest", "the oldest"].flatMap((release) =>
    frameworks.map((framework) => ({ release, framework })),
  );
  // The bindings use no API of the page, so one framework shows the others' behaviour in another browser.
  const chosen = browser === "chromium" ? cases : cases.slice(0, 1);

  describe.each(chosen)("with $release release of $framework", ({ release, framework }) => {
    let script: string;
    let renderOnServer: Renderer;
    beforeAll(async () => {
      const folder = release === "the oldest" ? await oldestFrameworks() : root;
      script = await clientOf(framework, folder);
      renderOnServer = await serverOf(framework, folder);
    });

    /** Creates a site, and loads its page. */
    async function visited(hub?: Parameters<typeof pageSite>[0], body?: string): Promise<PageSite> {
      const site = await pageSite(hub, body, script);
      await visit(used.page, `${site.origin}/bindings`);
      return site;
    }

    /** The warnings and errors in the page's console since a place in it. */
    const complaints = (from: number): string[] =>
      used.page.console.slice(from).flatMap(({ level, text }) => (/^(?:error|warn)/.test(level) ? [text] : []));

    test("gives all components with one address each message once, over one connection", async () => {
      const before = used.page.console.length;
      const site = await visited();
      await render({ one: { url }, two: { url }, other: { url: "/events?topic=b" } });
      await opens("one", "two", "other");
      await publish(site, 1, 100);
      await publish(site, 7, 7, "b");
      await shows("one", 100);
      await shows("two", 100);
      await shows("other", 7);
      for (const component of ["one", "two"]) expect(await given(component)).toEqual(numbers(1, 100));
      expect(await given("other")).toEqual([7]);
      expect(await shown("one")).toEqual({ data: 100, history: numbers(1, 100), state: "open" });
      expect([site.asked.length, site.opened.length, site.reasons]).toEqual([2, 2, []]);
      expect(complaints(before)).toEqual([]);
    });

    test("gives a component that mounts later the history, and calls its onMessage with further messages", async () => {
      const site = await visited();
      await render({ one: { url, history: 3 } });
      await opens("one");
      await publish(site, 1, 5);
      await shows("one", 5);
      await render({ one: { url, history: 3 }, late: { url, history: 3 } });
      await shows("late", 5);
      expect(await shown("late")).toEqual({ data: 5, history: [3, 4, 5], state: "open" });
      await publish(site, 6);
      await shows("late", 6);
      expect([await given("one"), await given("late"), site.asked.length]).toEqual([numbers(1, 6), [6], 1]);
    });

    test("closes the connection after the last component has unmounted, and begins anew after that", async () => {
      const site = await visited();
      await render({ one: { url }, two: { url } });
      await opens("one", "two");
      await publish(site, 1);
      await shows("two", 1);
      await render({ two: { url } });
      await publish(site, 2);
      await shows("two", 2);
      expect([site.reasons, await shown("one")]).toEqual([[], {}]);
      await render({});
      await until(() => site.reasons.length === 1);
      await render({ one: { url } });
      await opens("one");
      expect([await shown("one"), site.asked.length]).toEqual([{ history: [], state: "open" }, 2]);
    });

    test("keeps the connection of components that mount again within a second, and no other", async () => {
      const site = await visited();
      await render({ one: { url } });
      await opens("one");
      await publish(site, 1);
      await shows("one", 1);
      await used.page.evaluate(
        `new Promise((resolve) => {
            page.render({});
            const look = () => {
              if (document.getElementById("one") !== null) setTimeout(look);
              else resolve(void page.render({ two: { url: ${JSON.stringify(url)} } }));
            };
            look();
          })`,
      );
      await shows("two", 1);
      await publish(site, 2);
      await shows("two", 2);
      expect([site.asked.length, site.reasons, await given("two")]).toEqual([1, [], [2]]);
    });

    test("opens nothing without an address, and follows one that it gets later, and another", async () => {
      const site = await visited();
      await render({ one: { url: null }, other: { url: "/events?topic=b" } });
      await opens("other");
      expect([await shown("one"), site.asked.length]).toEqual([{ history: [], state: "idle" }, 1]);
      await render({ one: { url } });
      await opens("one");
      await publish(site, 1);
      await shows("one", 1);
      await render({ one: { url: "/events?topic=c" } });
      await opens("one");
      // The former address may still have its connection. The component gets none of its messages.
      await publish(site, 2);
      await publish(site, 3, 3, "c");
      await shows("one", 3);
      expect(await shown("one")).toEqual({ data: 3, history: [3], state: "open" });
      await render({ one: { url: null } });
      await until(() => site.reasons.length === 3);
      expect(await shown("one")).toEqual({ history: [], state: "idle" });
      expect([await given("one"), site.asked.length]).toEqual([[1, 3], 3]);
    });

    test("renders a component only when the part of the state that it reads has changed", async () => {
      const { hub } = await visited();
      await render({ all: { url }, price: { url, isPrice: true } });
      await opens("all");
      await hub.topic("a").publish({ price: 1 });
      await holds(used.page, "page.shown('price').price === 1");
      const before = await rendered("price");
      for (const volume of numbers(1, 10)) await hub.topic("a").publish({ price: 1, volume });
      await shows("all", { price: 1, volume: 10 });
      await hub.topic("a").publish({ price: 2, volume: 11 });
      await holds(used.page, "page.shown('price').price === 2");
      expect((await rendered("price")) - before).toBe(1);
    });

    test("follows while only the state is read", async () => {
      const { hub, opened, reasons } = await visited();
      await render({ price: { url, isPrice: true } });
      await until(() => opened.length === 1);
      await hub.topic("a").publish({ price: 1 });
      await holds(used.page, "page.shown('price').price === 1");
      await render({});
      await until(() => reasons.length === 1);
    });

    test("shows that there is no connection, and why, loses nothing, and shows the last gap", async () => {
      const site = await visited({ log: { maxEntries: 5 } });
      await render({ one: { url }, two: { url } });
      await opens("one", "two");
      await publish(site, 1, 5);
      await shows("two", 5);
      site.down();
      await holds(used.page, "['one', 'two'].every((name) => page.shown(name).error === 'ERR_NETWORK')");
      expect(await shown("two")).toEqual({
        data: 5,
        history: numbers(1, 5),
        state: "connecting",
        error: "ERR_NETWORK",
      });
      await publish(site, 6, 10);
      site.up();
      await shows("two", 10);
      expect(await shown("two")).toEqual({ data: 10, history: numbers(1, 10), state: "open" });
      expect(await given("one")).toEqual(numbers(1, 10));
      site.down();
      await holds(used.page, "page.shown('one').state === 'connecting'");
      await publish(site, 11, 20);
      site.up();
      await shows("one", 20);
      expect(await shown("one")).toMatchObject({ state: "open", missed: 5 });
    });

    test("is closed with the error and the outcome after a refusal and for an invalid address", async () => {
      await visited({ authorize: (_, topics) => (topics.includes("secret") ? 403 : true) });
      await render({ refused: { url: "/events?topic=secret" }, bad: { url: "http://" } });
      await holds(used.page, "page.shown('refused').outcome === 'failed'");
      expect(await shown("refused")).toEqual({
        history: [],
        state: "closed",
        error: "ERR_FORBIDDEN",
        outcome: "failed",
      });
      await holds(used.page, "page.shown('bad').state === 'closed'");
      expect(await shown("bad")).toEqual({ history: [], state: "closed", error: "ERR_URL" });
    });

    test("renders on a server, and hydrates beside an app that has messages without a warning", async () => {
      const followed: Followed = { hydrated: { url }, none: { url: null } };
      const { head, body } = await renderOnServer(followed);
      const text = body.replaceAll("&quot;", '"');
      expect(text).toContain('{"history":[],"state":"connecting"}');
      expect(text).toContain('{"history":[],"state":"idle"}');
      const before = used.page.console.length;
      const site = await visited({}, `${head}<div id="server">${body}</div>`);
      expect(site.asked).toEqual([]);
      await render({ one: { url } });
      await opens("one");
      await publish(site, 1);
      await shows("one", 1);
      await used.page.evaluate("void (globalThis.fromServer = document.getElementById('hydrated'))");
      await used.page.evaluate(`void page.hydrate(${JSON.stringify(followed)})`);
      await shows("hydrated", 1);
      await publish(site, 2);
      await shows("hydrated", 2);
      expect(await used.page.evaluate("fromServer === document.getElementById('hydrated')")).toBe(true);
      expect([await given("hydrated"), site.asked.length, await shown("none")]).toEqual([
        [2],
        1,
        { history: [], state: "idle" },
      ]);
      const first = JSON.parse(await used.page.evaluate<string>("page.records.first.hydrated")) as unknown;
      expect(first).toEqual({ history: [], state: "connecting" });
      expect(complaints(before)).toEqual([]);
    });
  });

  // In one browser.
  if (browser !== "chromium") return;

  describe("an object of a module in Svelte", () => {
    test("follows while components in legacy mode read it by toStore", async () => {
      const code = `
        import { mount, unmount } from "svelte";
        import Legacy from "./test/support/bindings/Legacy.svelte";
        const start = (name) => mount(Legacy, { target: document.body, props: { name } });
        globalThis.page = { start, unmount };`;
      const { hub, origin, asked, opened, reasons } = await pageSite({}, "", await scriptOf(code, root));
      await visit(used.page, `${origin}/bindings`);
      await used.page.evaluate("void (page.one = page.start('one'))");
      await until(() => opened.length === 1);
      await hub.topic("a").publish(1);
      await holds(used.page, "document.getElementById('one').textContent === '1'");
      await used.page.evaluate("void (page.two = page.start('two'))");
      await holds(used.page, "document.getElementById('two').textContent === '1'");
      await used.page.evaluate("void page.unmount(page.one)");
      await hub.topic("a").publish(2);
      await holds(used.page, "document.getElementById('two').textContent === '1,2'");
      expect([asked.length, reasons]).toEqual([1, []]);
      await used.page.evaluate("void page.unmount(page.two)");
      await until(() => reasons.length === 1);
    });
  });

  describe("the examples of docs/bindings.md", () => {
    const mounts = {
      "news-react.tsx": `
        import { createRoot } from "react-dom/client";
        import { createElement } from "react";
        import { News } from "./examples/bindings/news-react.tsx";
        const mount = (target) => createRoot(target).render(createElement(News));`,
      "News.vue": `
        import { createApp } from "vue";
        import News from "./examples/bindings/News.vue";
        const mount = (target) => createApp(News).mount(target);`,
      "News.svelte": `
        import { mount as mountComponent } from "svelte";
        import News from "./examples/bindings/News.svelte";
        const mount = (target) => mountComponent(News, { target });`,
      "news-solid.tsx": `
        import { createComponent } from "solid-js";
        import { render } from "solid-js/web";
        import { News } from "./examples/bindings/news-solid.tsx";
        const mount = (target) => render(() => createComponent(News, {}), target);`,
    };

    test.each(Object.entries(mounts))("%s lists the news", async (_, code) => {
      const script = await scriptOf(`${code}\n globalThis.page = { mount };`, root);
      const before = used.page.console.length;
      const { hub, origin, opened } = await pageSite({}, `<main></main>`, script);
      await visit(used.page, `${origin}/bindings`);
      await used.page.evaluate("void page.mount(document.querySelector('main'))");
      await until(() => opened.length === 1);
      await hub.topic("news").publish({ title: "One" });
      await hub.topic("news").publish({ title: "Two" });
      await holds(used.page, "document.querySelectorAll('main li').length === 2");
      const text = "[...document.querySelectorAll('main :is(p, li)')].map(({ textContent }) => textContent).join()";
      expect(await used.page.evaluate(text)).toBe("open,One,Two");
      expect(used.page.console.slice(before).filter(({ level }) => /^(?:error|warn)/.test(level))).toEqual([]);
    });
  });
});
