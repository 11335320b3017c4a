import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Hub } from "../../src/index.ts";
import { processOf } from "../support/page-process.ts";
import { launchBrowser, type Browser, type Page } from "../support/browsers/browser.ts";
import { clientSite, follow, holds, recordOf, visit, type ClientSite } from "../support/client-site.ts";
import { until } from "../support/sources.ts";
import { browserNames } from "../support/use-browser.ts";

/** A leader that freezes is replaced after two heartbeats. On a busy machine a tab may be silent for seconds. */
const quick = { heartbeatMs: 3000 } as const;
/** A tab on a busy machine must not be taken for frozen. */
const patient = { heartbeatMs: 10_000 } as const;

/**
 * Publishes numbers to topics until the end of the test.
 * @returns A function that stops it and returns the last number.
 */
function publishing(hub: Hub, topics: readonly string[]): () => number {
  let number = 0;
  const timer = setInterval(() => {
    number += 1;
    for (const topic of topics) void hub.topic(topic).publish({ topic, number });
  }, 40);
  const stop = (): number => {
    clearInterval(timer);
    return number;
  };
  onTestFinished(() => void stop());
  return stop;
}

/** Whether a source of the page leads. */
function leads(page: Page): Promise<boolean> {
  return page.evaluate<boolean>(`navigator.locks.request("me " + Math.random(), async ({ name }) => {
    const { held } = await navigator.locks.query();
    const { clientId } = held.find((lock) => lock.name === name);
    return held.some((lock) => lock.clientId === clientId && /^comet-sockets \\S+$/.test(lock.name));
  })`);
}

async function leaderOf(pages: readonly Page[]): Promise<Page> {
  for (;;) {
    for (const page of pages) if (await leads(page)) return page;
    await sleep(20);
  }
}

/** Expects the numbers of each topic to be consecutive from the first that arrived, up to the last. */
async function expectAll(page: Page, topics: readonly string[], last: number): Promise<void> {
  await holds(page, `page.records.tab.all.filter(({ data }) => data?.number === ${last}).length === ${topics.length}`);
  const { all, errors } = await recordOf(page, "tab");
  const came = new Map<string, number>();
  for (const item of all) {
    if (item.type === "gap") expect.fail("a gap");
    const { topic, number } = item.data as { topic: string; number: number };
    expect(number, topic).toBe((came.get(topic) ?? number - 1) + 1);
    came.set(topic, number);
  }
  expect([...came.keys()].toSorted()).toEqual(topics.toSorted());
  expect(errors.filter(({ retryMs }) => retryMs === null)).toEqual([]);
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe.each(browserNames)("in %s", (name) => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser(name);
  });
  afterAll(() => browser.close());

  /** Opens a tab that follows topics. */
  async function openTab({ origin }: ClientSite, topics: readonly string[], query = ""): Promise<Page> {
    const page = await browser.newPage();
    onTestFinished(() => page.close());
    await visit(page, origin);
    const address = `/events?${topics.map((topic) => `topic=${topic}`).join("&")}${query}`;
    await follow(page, "tab", address, { share: true });
    return page;
  }

  test("shares one connection among five tabs, each with its own topics", async () => {
    const site = await clientSite({ hub: patient });
    const topics = [["a"], ["a", "b"], ["c"], ["a"], ["b", "c"]];
    const pages: Page[] = [];
    for (const each of topics) pages.push(await openTab(site, each));
    for (const page of pages) await holds(page, "page.records.tab.opens.length === 1");
    await until(() => site.hub.stats().connections === 1);
    const before = site.opened.length;
    const stop = publishing(site.hub, ["a", "b", "c"]);
    for (const page of pages) await holds(page, "page.records.tab.messages > 30");
    const last = stop();
    for (const [i, page] of pages.entries()) await expectAll(page, topics[i] ?? [], last);
    expect([site.hub.stats().connections, site.opened.length]).toEqual([1, before]);
    expect(site.opened.at(-1)?.topics.toSorted()).toEqual(["a", "b", "c"]);
  });

  test("gives a tab that joins while a finite topic runs all its messages", async () => {
    const site = await clientSite({ hub: { ...patient, topics: (name) => name !== "answer" || { finite: true } } });
    const answer = site.hub.topic<{ number: number }>("answer");
    const numbers = async (page: Page): Promise<number[]> =>
      (await recordOf(page, "tab")).all.map((item) =>
        item.type === "gap" ? NaN : (item.data as { number: number }).number,
      );
    await answer.publish({ number: 1 });
    const first = await openTab(site, ["answer", "chat"]);
    await holds(first, "page.records.tab.messages === 1");
    await answer.publish({ number: 2 });
    await site.hub.topic("chat").publish({ number: 0 });
    await holds(first, "page.records.tab.messages === 3");
    const late = [await openTab(site, ["answer"]), await openTab(site, ["chat", "answer"])];
    for (const page of late) await holds(page, "page.records.tab.messages === 2");
    expect(site.hub.stats().connections).toBe(1);
    await answer.publish({ number: 3 });
    await answer.end();
    await holds(late[0] as Page, "page.records.tab.closes.length === 1");
    await holds(late[1] as Page, "page.records.tab.messages === 3");
    for (const page of late) expect(await numbers(page)).toEqual([1, 2, 3]);
    await holds(first, "page.records.tab.messages === 4");
    expect((await numbers(first)).toSorted()).toEqual([0, 1, 2, 3]);
  });

  test("loses nothing in any tab while six leaders close or crash", async () => {
    const site = await clientSite({ hub: patient });
    const wanted = (n: number): string[] => ["a", n % 2 === 0 ? "b" : "c"];
    const tabs = new Map<Page, string[]>();
    let opened = 0;
    const open = async (): Promise<void> => {
      tabs.set(await openTab(site, wanted(opened)), wanted(opened));
      opened += 1;
    };
    while (opened < 5) await open();
    const stop = publishing(site.hub, ["a", "b", "c"]);
    for (let round = 0; round < 6; round += 1) {
      const leader = await leaderOf([...tabs.keys()]);
      if (round % 2 === 0) {
        tabs.delete(leader);
        await leader.close();
      } else {
        const pid = await processOf(leader);
        // Other tabs may live in the same process.
        process.kill(pid, "SIGKILL");
        await until(() => !isRunning(pid));
        await Promise.all(
          Array.from(tabs.keys(), async (page) => {
            const isAlive = await Promise.race([page.evaluate("true").catch(() => false), sleep(1000, false)]);
            if (isAlive !== true) tabs.delete(page);
          }),
        );
        expect(tabs.has(leader)).toBe(false);
      }
      while (tabs.size < 5) await open();
      for (const page of tabs.keys()) await holds(page, "page.records.tab.messages > 0");
      await until(() => site.hub.stats().connections === 1);
    }
    const last = stop();
    for (const [page, topics] of tabs) await expectAll(page, topics, last);
    expect(site.hub.stats().connections).toBe(1);
  });

  test("replaces a leader that freezes, which resumes when it thaws", async () => {
    const site = await clientSite({ hub: quick });
    const pages = [await openTab(site, ["a"]), await openTab(site, ["a", "b"]), await openTab(site, ["b"])];
    const stop = publishing(site.hub, ["a", "b"]);
    for (const page of pages) await holds(page, "page.records.tab.messages > 10");
    const leader = await leaderOf(pages);
    const pid = await processOf(leader);
    const others: Page[] = [];
    for (const page of pages) if (page !== leader && (await processOf(page)) !== pid) others.push(page);
    process.kill(pid, "SIGSTOP");
    try {
      const had = await Promise.all(others.map(async (page) => (await recordOf(page, "tab")).messages));
      for (const [i, page] of others.entries()) await holds(page, `page.records.tab.messages > ${(had[i] ?? 0) + 100}`);
    } finally {
      process.kill(pid, "SIGCONT");
    }
    for (const page of pages) {
      const { messages } = await recordOf(page, "tab");
      await holds(page, `page.records.tab.messages > ${messages + 30}`);
    }
    const last = stop();
    await expectAll(pages[0] as Page, ["a"], last);
    await expectAll(pages[1] as Page, ["a", "b"], last);
    await expectAll(pages[2] as Page, ["b"], last);
    await until(() => site.hub.stats().connections === 1);
    expect(others.length).toBeGreaterThan(0);
  });
});
