import type { ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import type { Topic } from "../../src/index.ts";
import { clientSite, follow, holds, recordOf, visit } from "../support/client-site.ts";
import type * as example from "../../examples/state-and-stream.ts";
import { serveGuide } from "../support/guides.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

type Example = Pick<typeof example, "change" | "tasks">;

const wires = ["ndjson", "sse", "comet", "poll"] as const;

interface Numbered {
  readonly number: number;
}

/** A state, which is a list of numbers, and the topic that follows it. */
class Counter {
  readonly state: number[] = [];
  topic: Topic<Numbered> | undefined;

  /** Changes the state three times. */
  async change(): Promise<void> {
    for (let i = 0; i < 3; i += 1) {
      const number = this.state.length + 1;
      this.state.push(number);
      await this.topic?.publish({ number });
    }
  }
}

/** Answers with a page that has the state, whose position was read before. The state changes at each step. */
async function render(counter: Counter, response: ServerResponse): Promise<void> {
  const position = await counter.topic?.position();
  await counter.change();
  const page = `<!doctype html><title>A page</title><link rel="icon" href="data:,"><body>${" ".repeat(1024)}
    <script>globalThis.rendered = ${JSON.stringify({ position, state: counter.state })}</script>
    <script src="/client.js"></script>`;
  await counter.change();
  response.setHeader("content-type", "text/html; charset=utf-8").end(page);
}

describe.each(browserNames)("in %s", (name) => {
  const used = useBrowser(name);

  test.each(wires)("a page that starts at the position of its state misses no message over %s", async (wire) => {
    const { page } = used;
    const counter = new Counter();
    const { hub, origin } = await clientSite({
      instead: (response) => {
        if (response.req.url !== "/rendered") return false;
        void render(counter, response as ServerResponse);
        return true;
      },
    });
    counter.topic = hub.topic<Numbered>("a");
    await counter.change();
    await visit(page, `${origin}/rendered`);
    await counter.change();
    const { position, state } = await page.evaluate<{ position: string; state: number[] }>("rendered");
    await follow(page, wire, `/events?topic=a&lastEventId=${encodeURIComponent(position)}`, { wires: [wire] });
    await holds(page, `page.records.${wire}.opens.length === 1`);
    await counter.change();
    await holds(page, `page.records.${wire}.last === 15`);
    const record = await recordOf(page, wire);
    const received = record.all.map((item) => (item.type === "message" ? (item.data as Numbered).number : item));
    // The position was after three messages. The state has the next three as well.
    expect(state).toEqual([1, 2, 3, 4, 5, 6]);
    expect(received).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    expect(record.states).toEqual([{ a: "recovered" }]);
    await page.evaluate(`void page.sources.${wire}.close()`);
  });

  test("the example shows each task once, though tasks change at every step", async () => {
    const { page } = used;
    const { origin, server, exports } = await serveGuide("../state-and-stream");
    const { change, tasks } = exports as unknown as Example;
    const works: Promise<void>[] = [];
    let [last, isOver] = [0, false];
    /** Adds a task, and completes the one before. */
    const work = async (): Promise<void> => {
      // The browser asks for an icon at some time.
      if (isOver) return;
      last += 1;
      await change({ id: `${last - 1}`, text: `Task ${last - 1}`, isDone: true });
      await change({ id: `${last}`, text: `Task ${last}`, isDone: false });
    };
    await work();
    // The tasks change before the page is rendered, once it is sent, and before its client is answered.
    server.prependListener("request", (_request, response) => {
      works.push(work());
      response.once("finish", () => works.push(work()));
    });
    await page.goto(origin);
    await holds(page, "typeof source === 'object' && source.readyState === EventSource.OPEN");
    await work();
    isOver = true;
    await Promise.all(works);
    const expected = Array.from(tasks.values(), ({ text, isDone }) => (isDone ? `Done: ${text}` : text));
    expect(expected.length).toBeGreaterThan(4);
    const shown = "JSON.stringify(Array.from(document.querySelectorAll('li'), (item) => item.textContent))";
    await holds(page, `${shown} === ${JSON.stringify(JSON.stringify(expected))}`);
  });
});
