import { describe, expect, test, vi } from "vitest";
import { answerSites } from "../support/answer-sites.ts";
import type { Page } from "../support/browsers/browser.ts";
import { poll } from "../support/browsers/common.ts";
import { holds } from "../support/client-site.ts";
import { until } from "../support/sources.ts";
import { browserNames, useTwoPages } from "../support/use-browser.ts";

/** One run of the model: a question, and the words that the test answers it with. */
interface Run {
  readonly question: string;
  readonly signal: AbortSignal;
  readonly words: WritableStreamDefaultWriter<string>;
}

const { runs } = vi.hoisted(() => ({ runs: [] as Run[] }));

// The model's words come at random times. Here they come on cue, so that a test can act between two of them.
vi.mock("../../examples/answer/model.ts", () => ({
  tokens(question: string, signal: AbortSignal): ReadableStream<string> {
    const { readable, writable } = new TransformStream<string, string>();
    runs.push({ question, signal, words: writable.getWriter() });
    return readable;
  },
}));

const element = (id: string): string => `document.getElementById("${id}")`;

/** Waits until a page shows exactly this answer, in this state. */
async function shows(page: Page, answer: string, state: string): Promise<void> {
  const isShown = `${element("answer")}.textContent.length >= ${answer.length}`;
  await holds(page, `${isShown} && ${element("state")}.textContent === ${JSON.stringify(state)}`);
  expect(await page.evaluate(`${element("answer")}.textContent`)).toBe(answer);
  const isStoppable = `${element("stop")}.checkVisibility()`;
  expect(await page.evaluate(isStoppable)).toBe(state === "writing");
}

/** Makes a page leave its document, and waits for the next one. */
async function leave(page: Page, act: string): Promise<void> {
  await page.evaluate(`void (document.documentElement.dataset.old = "", setTimeout(() => ${act}))`);
  const isNew = `document.readyState === "complete" && document.documentElement.dataset.old === undefined`;
  // A page between two documents may not respond.
  const look = (): Promise<boolean> => page.evaluate<boolean>(isNew).catch(() => false);
  await poll(20, "there is no new document", async () => (await look()) || undefined);
}

/** Asks a question on a page, which then shows the answer. @returns the model's run. */
async function ask(page: Page, address: string, question: string): Promise<Run> {
  runs.length = 0;
  await page.goto(address);
  await holds(page, `${element("ask")}.checkVisibility() && ${element("ask")}.onsubmit !== null`);
  await page.evaluate(`void (${element("question")}.value = ${JSON.stringify(question)})`);
  await leave(page, `${element("ask")}.requestSubmit()`);
  expect(runs.map((run) => run.question)).toEqual([question]);
  return runs[0] ?? expect.fail("the model is not asked");
}

describe.each(browserNames)("in %s", (name) => {
  const pages = useTwoPages(name);

  // The demo serves the example's page. One browser shows that its policies allow what the page does.
  const sites = Object.entries(answerSites).filter(([site]) => name === "chromium" || site === "examples/answer");

  describe.each(sites)("the page of %s", (_, serve) => {
    test("shows each word as it comes, in two tabs and after a reload, until one of them stops it", async () => {
      const { page: address } = await serve();
      const { signal, words } = await ask(pages[0], address, "Why?");
      void words.write("The ");
      await shows(pages[0], "The ", "writing");
      void words.write("<b>sky</b> ");
      await shows(pages[0], "The <b>sky</b> ", "writing");
      await pages[1].goto(await pages[0].evaluate<string>("location.href"));
      await shows(pages[1], "The <b>sky</b> ", "writing");
      await leave(pages[0], "location.reload()");
      await shows(pages[0], "The <b>sky</b> ", "writing");
      void words.write("is ");
      for (const page of pages) await shows(page, "The <b>sky</b> is ", "writing");
      expect(signal.aborted).toBe(false);
      await pages[1].evaluate(`void ${element("stop")}.click()`);
      for (const page of pages) await shows(page, "The <b>sky</b> is ", "stopped");
      expect(signal.aborted).toBe(true);
      await leave(pages[0], "location.reload()");
      await shows(pages[0], "The <b>sky</b> is ", "stopped");
      expect(runs.length).toBe(1);
    });

    test("shows the end, and the whole answer from the log after it", async () => {
      const { page: address } = await serve();
      const { words } = await ask(pages[0], address, "Why?");
      void words.write("Because.");
      await shows(pages[0], "Because.", "writing");
      void words.close();
      await shows(pages[0], "Because.", "complete");
      await leave(pages[0], "location.reload()");
      await shows(pages[0], "Because.", "complete");
      expect(runs.length).toBe(1);
    });

    test("shows a failure by its safe text, now and after a reload", async () => {
      const report = vi.spyOn(console, "error").mockReturnValue();
      const { page: address } = await serve();
      const { words } = await ask(pages[0], address, "Why?");
      void words.write("Be");
      await shows(pages[0], "Be", "writing");
      void words.abort(new Error("a secret of the server"));
      const failed = "failed: The source of this topic has failed.";
      await shows(pages[0], "Be", failed);
      await leave(pages[0], "location.reload()");
      await shows(pages[0], "Be", failed);
      await until(() => report.mock.calls.length > 0);
      report.mockRestore();
    });

    test("reconnects and goes on where its connection was cut", async () => {
      const { page: address, cut } = await serve();
      const { words } = await ask(pages[0], address, "Why?");
      void words.write("Be");
      await shows(pages[0], "Be", "writing");
      await pages[0].evaluate(`void (globalThis.states = [], new MutationObserver(() =>
        states.push(${element("state")}.textContent)).observe(${element("state")}, { childList: true }))`);
      cut();
      await holds(pages[0], `states.includes("reconnecting")`);
      void words.write("cause.");
      void words.close();
      await shows(pages[0], "Because.", "complete");
    });
  });
});
