import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { poll } from "../support/browsers/common.ts";
import { useDemo } from "../support/demo.ts";
import { holds } from "../support/client-site.ts";
import { startExample, type ExampleProcess } from "../support/example-process.ts";
import { freePort } from "../support/free-port.ts";
import { loggedErrors, ROWS, serveJobs, STEPS } from "../support/job-site.ts";
import { root } from "../support/run.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

const pictures = join(root, "test-results/screenshots");
mkdirSync(pictures, { recursive: true });
const demo = useDemo();

/** The two ways, and the paths of their pages. */
const ways = [
  ["client", "/job"],
  ["iframe", "/job/iframe"],
] as const;

/** The rows of the page, the newest first. */
const rows = `Array.from(document.querySelectorAll("#jobs li"), (row) => ({
  state: row.querySelector(".state").textContent,
  outcome: row.dataset.outcome ?? "running",
  value: row.querySelector("progress").value,
  isFull: row.querySelector("progress").position === 1,
  canCancel: row.querySelector("button").offsetParent !== null,
  file: row.querySelector("a").offsetParent === null ? null : row.querySelector("a").href,
}))`;

interface Row {
  readonly state: string;
  readonly outcome: string;
  readonly value: number;
  readonly isFull: boolean;
  readonly canCancel: boolean;
  readonly file: string | null;
}

describe.each(browserNames)("in %s", (name) => {
  const used = useBrowser(name);

  const shown = (): Promise<Row[]> => used.page.evaluate<Row[]>(rows);
  const rowHolds = (index: number, condition: string): Promise<void> =>
    holds(used.page, `(({ state, outcome, value }) => ${condition})(${rows}[${index}])`);
  /** Clicks a button, once the page has it. */
  const click = async (selector: string): Promise<void> => {
    const button = `document.querySelector(${JSON.stringify(selector)})`;
    await holds(used.page, `document.readyState === "complete" && ${button}`);
    await used.page.evaluate(`void ${button}.click()`);
  };
  /** Starts an export in the page, and waits for its row. */
  const begin = async (kind = "working"): Promise<void> => {
    const before = (await shown()).length;
    await click(`#start button[value=${kind}]`);
    await holds(used.page, `${rows}.length === ${before + 1}`);
    await rowHolds(0, `state !== ""`);
  };
  const reload = async (): Promise<void> => {
    await used.page.evaluate(`void (window.isOld = true, setTimeout(() => location.reload()))`);
    // The old document may no longer answer.
    const isNew = `window.isOld === undefined && document.readyState === "complete"`;
    await poll(
      20,
      "not reloaded",
      async () => (await used.page.evaluate<boolean>(isNew).catch(() => false)) || undefined,
    );
  };
  const picture = (what: string): Promise<void> => used.page.screenshot(join(pictures, `job-${what}-${name}.png`));

  test.each(ways)("shows progress, the end and the file over the %s, and again after a reload", async (way, path) => {
    const { page } = used;
    const { origin, gate } = await serveJobs();
    await page.goto(origin + path);
    await holds(page, `document.querySelector("#start")`);
    await begin();
    gate.allow(STEPS / 2);
    await rowHolds(0, `value === ${ROWS / 2}`);
    expect(await shown()).toMatchObject([{ state: "2,500 of 5,000", outcome: "running", canCancel: true, file: null }]);
    await reload();
    await rowHolds(0, `value === ${ROWS / 2}`);
    gate.allow(STEPS);
    await rowHolds(0, `outcome === "complete"`);
    const [row] = await shown();
    expect(row).toMatchObject({ state: "5,000 of 5,000", value: ROWS, isFull: true, canCancel: false });
    const lines = `fetch(${JSON.stringify(row?.file)}).then((response) => response.text()).then((text) => text.split("\\n").length)`;
    expect(await page.evaluate<number>(lines)).toBe(1 + ROWS);
    await reload();
    await rowHolds(0, `outcome === "complete"`);
    expect(await shown()).toEqual([row]);
    await holds(page, `document.querySelector("#connection").textContent.startsWith("closed")`);
    expect(await page.evaluate<number>(`document.querySelectorAll("iframe").length`)).toBe(way === "iframe" ? 1 : 0);
    expect(page.console.filter(({ level }) => level === "error")).toEqual([]);
  });

  test.each(ways)(
    "runs two exports at once, cancels one and shows the failure of a third over the %s",
    async (way, path) => {
      const { page } = used;
      const errors = loggedErrors();
      const { origin, gate } = await serveJobs();
      await page.goto(origin + path);
      await holds(page, `document.querySelector("#start")`);
      await begin();
      await begin();
      const entries = await page.evaluate<number>("history.length");
      gate.allow(10);
      await rowHolds(0, "value === 500");
      await rowHolds(1, "value === 500");
      await begin("failing");
      await click("#jobs li:nth-child(2) button");
      await rowHolds(1, `outcome === "stopped"`);
      gate.allow(STEPS / 2);
      await rowHolds(0, `value === ${ROWS / 2}`);
      await rowHolds(2, `value === ${ROWS / 2}`);
      const frames = await page.evaluate<number>(`document.querySelectorAll("iframe").length`);
      expect(frames).toBe(way === "iframe" ? 1 : 0);
      await picture(`running${path.replaceAll("/", "-")}`);
      gate.allow(STEPS);
      await rowHolds(0, `outcome === "failed"`);
      await rowHolds(2, `outcome === "complete"`);
      await picture(`ended${path.replaceAll("/", "-")}`);
      const message = "The database did not answer. Try again in a few minutes.";
      expect(await shown()).toMatchObject([
        { outcome: "failed", state: message, isFull: false, canCancel: false, file: null },
        { outcome: "stopped", state: "cancelled", value: 500, canCancel: false, file: null },
        { outcome: "complete", state: "5,000 of 5,000", isFull: true, canCancel: false },
      ]);
      expect(await page.evaluate<number>("history.length")).toBe(entries);
      expect(errors).toHaveLength(1);
    },
  );

  // The iframe's page notices it by its own silence of 3 s, with the same code in each browser.
  test.each(name === "chromium" ? ways : ways.slice(0, 1))(
    "shows over the %s that an export is lost when its process is killed",
    async (_, path) => {
      const { page } = used;
      const port = await freePort();
      const run = async (): Promise<ExampleProcess> => {
        const process = await startExample(join(root, "examples/job/server.ts"), port);
        onTestFinished(() => process.kill());
        return process;
      };
      const first = await run();
      await page.goto(`${first.origin}${path}`);
      await holds(page, `document.querySelector("#start")`);
      await click("#start button[value=working]");
      await rowHolds(0, "value > 0");
      await first.kill();
      await holds(page, `document.querySelector("#connection").textContent === "reconnecting"`);
      await run();
      await rowHolds(0, `outcome === "lost"`);
      expect(await shown()).toMatchObject([{ isFull: false, canCancel: false, file: null }]);
      await reload();
      await rowHolds(0, `outcome === "lost"`);
    },
  );

  test.each(ways)("shows an unknown export as lost beside one that runs, over the %s", async (_, path) => {
    const { page } = used;
    const { origin, gate } = await serveJobs();
    gate.allow(STEPS / 2);
    const response = await fetch(`${origin}/exports`, { method: "POST" });
    const { id } = (await response.json()) as { id: string };
    await page.goto(`${origin}${path}?id=${id}&id=${crypto.randomUUID()}`);
    await rowHolds(0, `outcome === "lost"`);
    await rowHolds(1, `value === ${ROWS / 2}`);
    gate.allow(STEPS);
    await rowHolds(1, `outcome === "complete"`);
  });

  // The demo serves the example's pages. One browser shows that its policies allow what they do.
  test.each(name === "chromium" ? ways : ways.slice(0, 1))(
    "runs in the demo, under its policies, over the %s",
    async (_, path) => {
      const { page } = used;
      await page.goto(demo.origin);
      await holds(page, `document.querySelector('a[href="${path}"]')`);
      await page.goto(demo.origin + path);
      await holds(page, `document.querySelector("#start")`);
      await click("#start button[value=working]");
      await rowHolds(0, "value > 0");
      await click("#jobs li button");
      await rowHolds(0, `outcome === "stopped"`);
    },
  );
});
