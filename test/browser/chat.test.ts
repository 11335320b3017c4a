import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createDemo, type Demo } from "../../demo/server.ts";
import type { Page } from "../support/browsers/browser.ts";
import { poll } from "../support/browsers/common.ts";
import { root } from "../support/run.ts";
import { browserNames, useTwoPages } from "../support/use-browser.ts";

const pictures = join(root, "test-results/screenshots");
const RESTARTED = "The server was restarted; messages may be missing.";

let demo: Demo;
let port = 0;
const origin = (): string => `http://127.0.0.1:${port}`;

/** Serves the demo on its previous port. */
async function start(): Promise<void> {
  demo = createDemo();
  await once(demo.server.listen(port, "127.0.0.1"), "listening");
  ({ port } = demo.server.address() as AddressInfo);
}

beforeAll(async () => {
  mkdirSync(pictures, { recursive: true });
  await start();
});
afterAll(() => demo.close());

/** Posts as another client would. */
async function post(text: string): Promise<void> {
  const body = JSON.stringify({ name: "Other", text, messageId: crypto.randomUUID() });
  // Uses its own connection, because kept-alive ones are cut too.
  const headers = { connection: "close" };
  const { status } = await fetch(`${origin()}/chat/messages`, { method: "POST", headers, body });
  expect(status).toBe(201);
}

/** Types a message into a page, and sends it. */
async function say(page: Page, text: string): Promise<void> {
  await page.evaluate(`void (document.getElementById("text").value = ${JSON.stringify(text)},
    document.getElementById("form").requestSubmit())`);
}

/** The conversation as a page shows it: received messages, and notes. */
function lines(page: Page): Promise<readonly string[]> {
  return page.evaluate(`[...document.querySelectorAll("#messages li")]
    .map((line) => (line.querySelector(".text") ?? line).textContent)`);
}

/** Waits until the newest lines of every page are these. */
async function shown(pages: readonly Page[], ...expected: readonly string[]): Promise<void> {
  for (const page of pages) {
    await poll(50, "", async () => {
      return (await lines(page)).slice(-expected.length).join("\n") === expected.join("\n") || undefined;
    }).catch(async () => expect((await lines(page)).slice(-expected.length)).toEqual(expected));
  }
}

/** Waits until a page has loaded. */
async function isAt(page: Page, path: string): Promise<void> {
  const now = `location.pathname === "${path}" && document.readyState === "complete"`;
  // The previous page may no longer respond.
  const isThere = (): Promise<boolean> => page.evaluate<boolean>(now).catch(() => false);
  await poll(20, `the page is not at ${path}`, async () => (await isThere()) || undefined);
}

/** Waits until the state that every page shows begins with this text. */
async function inState(pages: readonly Page[], state: string): Promise<void> {
  for (const page of pages) {
    const now = `document.getElementById("state")?.textContent.startsWith("${state}")`;
    await poll(20, `the page is not ${state}`, async () => (await page.evaluate<boolean>(now)) || undefined);
  }
}

// The first page is on the wire of its own choice, the second in a forever iframe.
describe.each(browserNames)("the chat in %s", (name) => {
  const pages = useTwoPages(name);
  beforeEach(async () => {
    await pages[0].goto(`${origin()}/chat`);
    await pages[1].goto(`${origin()}/chat?wire=comet`);
    await inState([pages[0]], "live over ndjson");
    await inState([pages[1]], "live over comet");
  });

  test("shows two pages each other's messages, and a third page the earlier ones", async () => {
    await say(pages[0], "Hello from the first");
    await shown(pages, "Hello from the first");
    await say(pages[1], "<b>Hello</b> & good day");
    await shown(pages, "Hello from the first", "<b>Hello</b> & good day");
    await pages[1].goto(`${origin()}/chat?wire=comet`);
    await shown(pages, "Hello from the first", "<b>Hello</b> & good day");
    const own = `document.querySelectorAll("#messages .own").length`;
    expect(await pages[1].evaluate(own)).toBeGreaterThan(0);
    await pages[0].screenshot(join(pictures, `chat-${name}.png`));
    // WebKit logs this when a page is laid out twice in one frame; it is not a page error (Resize Observer, 3.4).
    const texts = pages.flatMap(({ console }) => console.map(({ text }) => text));
    expect(texts.filter((text) => !text.startsWith("ResizeObserver loop"))).toEqual([]);
  });

  test("resumes a cut connection without a gap, a loss or a duplicate", async () => {
    await post("before");
    await shown(pages, "before");
    const before = await lines(pages[0]);
    for (let round = 0; round < 2; round += 1) {
      demo.server.closeAllConnections();
      for (const text of ["one", "two", "three"]) await post(`${round} ${text}`);
      await say(pages[0], `${round} mine`);
      await shown(pages, `${round} mine`);
      await inState(pages, "live");
    }
    const texts = [0, 1].flatMap((round) => ["one", "two", "three", "mine"].map((text) => `${round} ${text}`));
    for (const page of pages) expect(await lines(page)).toEqual([...before, ...texts]);
  });

  test.each(["sse", "poll"])("exchanges messages over %s, and resumes after a cut", async (wire) => {
    await pages[1].goto(`${origin()}/chat?wire=${wire}`);
    await inState([pages[1]], `live over ${wire}`);
    await say(pages[0], "can you hear me?");
    await shown(pages, "can you hear me?");
    const before = await lines(pages[1]);
    demo.server.closeAllConnections();
    await post("while it was away");
    await say(pages[1], "and now?");
    await shown(pages, "while it was away", "and now?");
    for (const page of pages) expect(await lines(page)).toEqual([...before, "while it was away", "and now?"]);
    await inState([pages[1]], `live over ${wire}`);
  });

  test.each([
    ["the wire of its own choice", 0],
    ["comet", 1],
  ] as const)("shows the missed messages over %s when the user returns to the page", async (_, i) => {
    const page = pages[i];
    await post("before");
    await shown([page], "before");
    const before = await lines(page);
    await page.evaluate("void (window.isKept = true)");
    await page.goto(`${origin()}/`);
    await isAt(page, "/");
    await post("meanwhile");
    await page.evaluate("void setTimeout(() => history.back())");
    await isAt(page, "/chat");
    await inState([page], "live");
    await shown([page], "meanwhile");
    expect(await lines(page)).toEqual([...before, "meanwhile"]);
    // Firefox caches no page that had a stream, and no page under automation.
    expect(await page.evaluate("window.isKept === true")).toBe(name !== "firefox");
  });

  test("posts a message again when its answer is lost, and shows it once", async () => {
    let posts = 0;
    const loseAnswer = (request: IncomingMessage, response: ServerResponse): void => {
      if (request.method !== "POST") return;
      posts += 1;
      if (posts === 1) response.writeHead = () => response.destroy();
    };
    demo.server.prependListener("request", loseAnswer);
    const before = await lines(pages[0]);
    await say(pages[0], "said once");
    await poll(20, "not posted again", () => Promise.resolve(posts > 1 || undefined));
    demo.server.off("request", loseAnswer);
    await say(pages[0], "and then this");
    await shown(pages, "said once", "and then this");
    expect(await lines(pages[0])).toEqual([...before, "said once", "and then this"]);
    expect(await pages[0].evaluate(`document.querySelectorAll("#sending li").length`)).toBe(0);
  });

  test("reports that messages may be missing after a restart of the server, and continues", async () => {
    await post("before the restart");
    await shown(pages, "before the restart");
    await demo.close();
    await inState(pages, "reconnecting");
    // Messages posted meanwhile wait for the server.
    await say(pages[1], "is anybody there?");
    await start();
    await shown(pages, "before the restart", RESTARTED, "is anybody there?");
    await inState(pages, "live");
    await say(pages[0], "yes");
    await shown(pages, RESTARTED, "is anybody there?", "yes");
  });

  test("reconnects a page with an automatic wire after a longer outage of the server", async () => {
    await demo.close();
    await inState([pages[0]], "reconnecting");
    // A server that never answers stands in until a page with an automatic wire has tried more than one.
    const tried = new Set<string | null>();
    const deaf = createServer(({ url = "", socket }) => {
      tried.add(new URL(url, origin()).searchParams.get("wire"));
      socket.destroy();
    });
    await once(deaf.listen(port, "127.0.0.1"), "listening");
    await poll(20, "only one wire was tried", () => Promise.resolve(tried.size > 1 || undefined));
    deaf.closeAllConnections();
    await once(deaf.close(), "close");
    await start();
    await inState([pages[0]], "live");
  });
});
