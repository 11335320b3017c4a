import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { poll } from "../support/browsers/common.ts";
import { startExample, type ExampleProcess } from "../support/example-process.ts";
import { freePort } from "../support/free-port.ts";
import { root } from "../support/run.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

async function start(name: string, port: number): Promise<ExampleProcess> {
  const example = await startExample(join(root, "examples", name), port);
  onTestFinished(() => example.kill());
  expect(example.origin).toBe(`http://localhost:${port}`);
  return example;
}

describe.each(browserNames)("the README's first example in %s", (name) => {
  const used = useBrowser(name);

  test("shows its stories as they are published", async () => {
    const { page } = used;
    const { origin } = await start("first/server.mjs", await freePort());
    await page.goto(origin);
    const stories = `[...document.querySelectorAll("#stories li")].map((story) => story.textContent)`;
    const shown = await poll(50, "no two stories are shown", async () => {
      const texts = await page.evaluate<string[]>(stories);
      return texts.length >= 2 ? texts : undefined;
    });
    const [newest = 0, before = 0] = shown.map((text) => Number(/^Story (\d+)$/.exec(text)?.[1]));
    expect(newest).toBe(before + 1);
    expect(page.console).toEqual([]);
  });
});

describe("the guide Getting started", () => {
  const used = useBrowser("chromium");

  const text = (): Promise<string> => used.page.evaluate<string>("document.body?.innerText ?? ''");
  const says = (expected: RegExp): Promise<string> =>
    poll(50, `the page does not say ${expected}`, async () => expected.exec(await text())?.[0]);

  test("the client shows the log at once, reconnects, and reports a gap after a restart", async () => {
    const { page } = used;
    const port = await freePort();
    const first = await start("getting-started/client.mjs", port);
    const hasTwo = async (): Promise<true | undefined> => {
      const address = `http://127.0.0.1:${port}/live?topic=news&from=oldest&wire=poll`;
      return JSON.stringify(await (await fetch(address)).json()).includes("Story 2") || undefined;
    };
    await poll(50, "no two stories are published", hasTwo);
    await page.goto(first.origin);
    await says(/live over ndjson/);
    await says(/Story 2\s+Story 1/);
    await first.kill();
    await says(/reconnecting/);
    await start("getting-started/client.mjs", port);
    await says(/live over ndjson/);
    await says(/Story 1\s+stories are missing\s+Story/);
  });

  test("a page behind a login session gets its user's messages, and no others", async () => {
    const { page } = used;
    const { origin } = await start("getting-started/login.mjs", await freePort());
    expect((await fetch(`${origin}/live`)).status).toBe(401);
    expect((await fetch(`${origin}/messages`, { method: "POST" })).status).toBe(401);

    // A document has no root element and no form yet when it begins.
    const isNew = `document.readyState === "complete" && document.forms.length > 0 &&
      document.documentElement.dataset.old === undefined`;
    const newDocument = (): Promise<true> =>
      poll(20, "no new document", async () => (await page.evaluate<boolean>(isNew)) || undefined);
    /** Fills in the page's form and sends it. The answer is a new document. */
    const submit = async (fields: Readonly<Record<string, string>>): Promise<void> => {
      await newDocument();
      await page.evaluate(`void (document.documentElement.dataset.old = "",
        Object.entries(${JSON.stringify(fields)}).forEach(([name, value]) => (document.forms[0][name].value = value)),
        setTimeout(() => document.forms[0].submit()))`);
      await newDocument();
    };
    await page.goto(origin);
    await submit({ user: "ada" });
    await submit({ to: "ben", text: "for Ben" });
    await submit({ to: "ada", text: "for Ada" });
    await says(/ada: for Ada/);
    expect(await text()).not.toContain("for Ben");
    // The server chooses the topics, whatever the address names.
    const stolen = `fetch("/live?topic=user:ben&from=oldest&wire=poll").then((response) => response.text())`;
    expect(await page.evaluate(stolen)).not.toContain("for Ben");
    expect(await page.evaluate(stolen)).toContain("for Ada");
    // The stream of another tab ends with the session.
    const tab = `fetch("/live").then((response) => {
      void response.text().then((text) => (window.stream = text));
      return response.status;
    })`;
    expect(await page.evaluate(tab)).toBe(200);
    const ended = `fetch("/logout", { method: "POST" }).then(() => fetch("/live")).then((response) => response.status)`;
    expect(await page.evaluate(ended)).toBe(401);
    const stream = await poll(20, "the stream has not ended", () => page.evaluate<string | undefined>("window.stream"));
    expect(stream).toContain('"unauthorized"');
    await page.goto(origin);
    await says(/Sign in/);
  });
});
