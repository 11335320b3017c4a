import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { sendChunked } from "../../src/adapters/node/index.ts";
import { comet, Enumeratee, Enumerator, html } from "../../src/index.ts";
import { serve } from "../support/servers.ts";
import { until } from "../support/sources.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

const events = ["kiki", "foo", "bar", ...Array.from({ length: 17 }, (_, i) => `event ${i + 4}`)];
const gapMs = 300;
const allowedMs = 100;

const framePage = html`<!doctype html>
<meta charset="utf-8">
<title>Forever iframe</title>
<script>
  var received = [];
  var cometMessage = function (event) {
    received.push([event, Date.now()]);
  };
</script>
<iframe src="/comet"></iframe>`;

/** The events 300 ms apart, noting when each was handed to the connection. */
function timed(written: number[]): Enumerator<string> {
  return Enumerator.from(events).through(
    Enumeratee.mapAsync(async (event, signal) => {
      await sleep(gapMs, undefined, { signal });
      written.push(Date.now());
      return event;
    }),
  );
}

/** Every event comes once and in order, soon after it was written, and none waits for the next or for the end. */
function expectPrompt(received: readonly (readonly [string, number])[], written: readonly number[]): void {
  expect(received.map(([event]) => event)).toEqual(events);
  const delays = received.map(([, at], i) => at - (written[i] ?? NaN));
  const median = delays.toSorted((a, b) => a - b)[delays.length / 2] ?? NaN;
  expect(median).toBeLessThan(allowedMs);
  expect(median).toBeGreaterThan(-5);
  // A machine that is busy may be late once; a browser that collects messages is late with every one.
  expect(delays.filter((delay) => delay >= gapMs).length).toBeLessThan(events.length / 4);
}

describe.each(browserNames)("in %s", (name) => {
  const used = useBrowser(name);

  test("the console shows each event as it is sent", async () => {
    const { page } = used;
    const written: number[] = [];
    const { origin } = await serve((response) => {
      const source =
        response.req.url === "/" ? timed(written).through(comet({ callback: "console.log" })) : Enumerator.of("");
      void sendChunked(response, source);
    });
    const before = page.console.length;
    await page.goto(`${origin}/`);
    await until(() => page.console.length >= before + events.length);
    const logged = page.console.slice(before).map(({ text, at }) => [text, at] as const);
    expectPrompt(logged, written);
  });

  test("the parent of a forever iframe gets each event as it is sent", async () => {
    const { page } = used;
    const written: number[] = [];
    const { origin } = await serve((response) => {
      const url = response.req.url;
      if (url === "/comet")
        void sendChunked(response, timed(written).through(comet({ callback: "parent.cometMessage" })));
      else void sendChunked(response, Enumerator.of(framePage));
    });
    await page.goto(`${origin}/`);
    await until(() => written.length === events.length);
    await sleep(200);
    expectPrompt(await page.evaluate<[string, number][]>("received"), written);
  });

  test("what is written by hand, with no helper, runs as well once the document ends", async () => {
    const { page } = used;
    const scripts = ["kiki", "foo", "bar"].map((event) => `<script>console.log('${event}')</script>`);
    const headers = { "content-type": "text/html; charset=utf-8" };
    const { origin } = await serve((response) => {
      void sendChunked(response, Enumerator.from(response.req.url === "/" ? scripts : []), { headers });
    });
    const before = page.console.length;
    await page.goto(`${origin}/`);
    await until(() => page.console.length >= before + 3);
    expect(page.console.slice(before).map(({ text }) => text)).toEqual(["kiki", "foo", "bar"]);
  });

  test("scripts with the nonce of a strict policy run, and others do not", async () => {
    const { page } = used;
    const nonce = "dGVzdA==";
    const stream = Enumerator.of("with").through(comet({ callback: "parent.cometMessage", nonce }));
    const evil = Enumerator.of("without").through(comet({ callback: "parent.cometMessage", initialChunk: null }));
    const headers = {
      "content-security-policy": `default-src 'none'; script-src 'nonce-${nonce}'; frame-ancestors 'self'`,
    };
    const { origin } = await serve((response) => {
      if (response.req.url !== "/comet") void sendChunked(response, Enumerator.of(framePage));
      else void sendChunked(response, Enumerator.from(concat(stream, evil, stream)), { headers });
    });
    await page.goto(`${origin}/`);
    let received: [string, number][] = [];
    for (let i = 0; i < 100 && received.length < 2; i += 1) {
      await sleep(50);
      received = await page.evaluate("window.received ?? []");
    }
    expect(received.map(([event]) => event)).toEqual(["with", "with"]);
  });

  test("a document from another origin may not frame the stream", async () => {
    const { page } = used;
    const { origin } = await serve(
      (response) => void sendChunked(response, Enumerator.of("x").through(comet({ callback: "console.log" }))),
    );
    const other = await serve(
      (response) => void sendChunked(response, Enumerator.of(html`<!doctype html><iframe src="${origin}"></iframe>`)),
    );
    const before = page.console.length;
    await page.goto(other.origin);
    await sleep(700);
    expect(page.console.slice(before).filter(({ text }) => text === "x")).toEqual([]);
    await page.goto(origin);
    await until(() => page.console.slice(before).some(({ text }) => text === "x"));
  });
});

/** One source after another. */
async function* concat<E>(...sources: readonly AsyncIterable<E>[]): AsyncGenerator<E> {
  for (const source of sources) yield* source;
}
