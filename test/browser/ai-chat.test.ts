import type { LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { MockLanguageModelV4 } from "ai/test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { Hub } from "../../src/index.ts";
import type { Page } from "../support/browsers/browser.ts";
import { poll } from "../support/browsers/common.ts";
import { isResumed } from "../support/chat-page.ts";
import { holds } from "../support/client-site.ts";
import { startExample } from "../support/example-process.ts";
import { freePort } from "../support/free-port.ts";
import { serveGuide } from "../support/guides.ts";
import { root } from "../support/run.ts";
import { useTwoPages } from "../support/use-browser.ts";

/** One call of the model: the test writes its words. */
interface Run {
  readonly signal: AbortSignal | undefined;
  readonly parts: WritableStreamDefaultWriter<LanguageModelV4StreamPart>;
}

const { runs } = vi.hoisted(() => ({ runs: [] as Run[] }));

// The example's model writes its words at a pace of its own. Here they come on cue, so that a test can act between two of them.
vi.mock("../../examples/ai-chat/model.ts", () => ({
  model: new MockLanguageModelV4({
    doStream: ({ abortSignal }) => {
      const { readable, writable } = new TransformStream<LanguageModelV4StreamPart, LanguageModelV4StreamPart>(
        undefined,
        { highWaterMark: 1000 },
      );
      const run = { signal: abortSignal, parts: writable.getWriter() };
      runs.push(run);
      void run.parts.write({ type: "stream-start", warnings: [] }).catch(() => undefined);
      void run.parts.write({ type: "text-start", id: "1" }).catch(() => undefined);
      return Promise.resolve({ stream: readable });
    },
  }),
}));

const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: 1, text: 1, reasoning: undefined },
};

function say({ parts }: Run, delta: string): void {
  void parts.write({ type: "text-delta", id: "1", delta }).catch(() => undefined);
}

function finish({ parts }: Run): void {
  void parts.write({ type: "text-end", id: "1" }).catch(() => undefined);
  const finishReason = { unified: "stop", raw: undefined } as const;
  void parts.write({ type: "finish", finishReason, usage }).catch(() => undefined);
  void parts.close().catch(() => undefined);
}

const answers = `Array.from(document.querySelectorAll('[data-role="assistant"]'), (each) => each.textContent)`;
const status = `document.getElementById("status")?.textContent`;

/** Waits until a page shows exactly these answers, in this status of `useChat`. */
async function shows(page: Page, texts: readonly string[], state: string): Promise<void> {
  await holds(
    page,
    `JSON.stringify(${answers}) === ${JSON.stringify(JSON.stringify(texts))} && ${status} === "${state}"`,
  );
}

/** Asks a question on a page, and returns the model's run. */
async function ask(page: Page): Promise<Run> {
  const before = runs.length;
  await holds(page, `${status} === "ready"`);
  await page.evaluate(`void document.querySelector("form").requestSubmit()`);
  await poll(20, "the model is not called", () => Promise.resolve(runs.length > before || undefined));
  return runs[before] ?? expect.fail("the model is not called");
}

async function reload(page: Page): Promise<void> {
  await page.evaluate(`void (document.documentElement.dataset.old = "", setTimeout(() => location.reload()))`);
  const isNew = `document.readyState === "complete" && document.documentElement.dataset.old === undefined`;
  // A page between two documents may not respond.
  await poll(20, "there is no new document", async () =>
    (await page.evaluate<boolean>(isNew).catch(() => false)) ? true : undefined,
  );
}

describe("the page of examples/ai-chat with useChat in Chromium", () => {
  const pages = useTwoPages("chromium");

  /** Logs a user in, and opens a new chat on the first page. */
  async function openChat(origin: string, user = "ada"): Promise<string> {
    await pages[0].goto(`${origin}/chat/?user=${user}`);
    await holds(pages[0], `${status} === "ready" && ${isResumed}`);
    return pages[0].evaluate<string>("location.href");
  }

  test("goes on with an answer after a reload in its middle", async () => {
    const { origin } = await serveGuide("../ai-chat/server");
    await openChat(origin);
    const [page] = pages;
    const run = await ask(page);
    say(run, "The ");
    await shows(page, ["The "], "streaming");
    await reload(page);
    await shows(page, ["The "], "streaming");
    say(run, "<b>sky</b>.");
    await shows(page, ["The <b>sky</b>."], "streaming");
    finish(run);
    await shows(page, ["The <b>sky</b>."], "ready");
    await reload(page);
    await shows(page, ["The <b>sky</b>."], "ready");
    expect(runs.filter((each) => each === run).length).toBe(1);
    expect(run.signal?.aborted).toBe(false);
  });

  test("shows an answer in a second tab, and both go on with the next question", async () => {
    const { origin } = await serveGuide("../ai-chat/server");
    const address = await openChat(origin);
    const run = await ask(pages[0]);
    say(run, "Be");
    await shows(pages[0], ["Be"], "streaming");
    await pages[1].goto(address);
    await shows(pages[1], ["Be"], "streaming");
    say(run, "cause.");
    finish(run);
    for (const page of pages) await shows(page, ["Because."], "ready");
    await pages[1].evaluate(`void (() => {
      const input = document.querySelector("input");
      Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(input, "And then?");
      input.dispatchEvent(new Event("input", { bubbles: true }));
    })()`);
    const next = await ask(pages[1]);
    say(next, "Then.");
    finish(next);
    await shows(pages[1], ["Because.", "Then."], "ready");
    await reload(pages[0]);
    await shows(pages[0], ["Because.", "Then."], "ready");
  });

  test("stops an answer from either tab, for both", async () => {
    const { origin } = await serveGuide("../ai-chat/server");
    const address = await openChat(origin);
    const run = await ask(pages[0]);
    say(run, "Be");
    await shows(pages[0], ["Be"], "streaming");
    await pages[1].goto(address);
    await shows(pages[1], ["Be"], "streaming");
    await pages[1].evaluate(`void document.querySelector('button[type="button"]').click()`);
    for (const page of pages) await shows(page, ["Be"], "ready");
    expect(run.signal?.aborted).toBe(true);
    await reload(pages[0]);
    await shows(pages[0], ["Be"], "ready");
  });

  test("repairs a connection that is cut, and repeats no word", async () => {
    const { origin, server } = await serveGuide("../ai-chat/server");
    await openChat(origin);
    const run = await ask(pages[0]);
    say(run, "Be");
    await shows(pages[0], ["Be"], "streaming");
    server.closeAllConnections();
    say(run, "cause.");
    finish(run);
    await shows(pages[0], ["Because."], "ready");
  });

  test("keeps the answers of two users apart", async () => {
    const { origin } = await serveGuide("../ai-chat/server");
    const address = await openChat(origin, "ada");
    const run = await ask(pages[0]);
    say(run, "secret");
    await shows(pages[0], ["secret"], "streaming");
    await openChat(origin, "bob");
    await pages[0].goto(address);
    await holds(pages[0], `document.querySelector('[role="alert"]') !== null`);
    expect(await pages[0].evaluate("document.body.textContent")).not.toContain("secret");
    const stream = address.replace("/chat/", "/api/chat/") + "/stream";
    for (const method of ["GET", "DELETE"]) {
      expect(
        await pages[0].evaluate(`fetch(${JSON.stringify(stream)}, { method: "${method}" }).then((r) => r.status)`),
      ).toBe(403);
    }
    expect(run.signal?.aborted).toBe(false);
    finish(run);
  });

  test("shows an answer that had ended whole, after a restart of the server", async () => {
    const folder = mkdtempSync(join(tmpdir(), "comet-sockets-chat-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const env = { CHAT_DB: join(folder, "chat.db") };
    const before = await serveGuide("../ai-chat/server", env);
    const address = await openChat(before.origin);
    const run = await ask(pages[0]);
    say(run, "Because.");
    finish(run);
    await shows(pages[0], ["Because."], "ready");
    await (before.exports["hub"] as Hub).close({ drainMs: 0 });
    // It shares nothing but the file with the one before.
    const after = await serveGuide("../ai-chat/server", env);
    await pages[0].goto(address.replace(before.origin, after.origin));
    await shows(pages[0], ["Because."], "ready");
    await (after.exports["hub"] as Hub).close({ drainMs: 0 });
  });

  test("shows that an answer is lost when its process is killed, and keeps its words", async () => {
    const folder = mkdtempSync(join(tmpdir(), "comet-sockets-chat-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    vi.stubEnv("CHAT_DB", join(folder, "chat.db"));
    const port = await freePort();
    const file = join(root, "examples/ai-chat/server.ts");
    const first = await startExample(file, port);
    onTestFinished(() => first.kill());
    const [page] = pages;
    await openChat(first.origin);
    await page.evaluate(`void document.querySelector("form").requestSubmit()`);
    await holds(page, `${answers}.join("").startsWith("I am the mock ")`);
    await first.kill();
    const second = await startExample(file, port);
    onTestFinished(() => second.kill());
    vi.unstubAllEnvs();
    await holds(
      page,
      `document.querySelector('[role="alert"]')?.textContent === "The server that wrote this answer was lost."`,
    );
    expect(await page.evaluate<string>(`${answers}.join("")`)).toMatch(/^I am the mock /);
  });
});
