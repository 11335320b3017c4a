import { describe, expect, test } from "vitest";
import { sendChunked } from "../../src/adapters/node/index.ts";
import { comet, Enumerator, html, type Channel, type Html } from "../../src/index.ts";
import { holds } from "../support/client-site.ts";
import { serve } from "../support/servers.ts";
import { until } from "../support/sources.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

const events = ["kiki", "foo", "bar"];

const framePage = html`<!doctype html>
<meta charset="utf-8">
<title>Forever iframe</title>
<script>
  var received = [];
  var cometMessage = function (event) {
    received.push(event);
  };
</script>
<iframe src="/comet"></iframe>`;

/** A source that the test feeds. */
function fed(): { readonly source: Enumerator<string>; readonly channel: Promise<Channel<string>> } {
  let open: (channel: Channel<string>) => void = () => undefined;
  const channel = new Promise<Channel<string>>((resolve) => (open = resolve));
  return { source: Enumerator.unicast<string>((one) => open(one)), channel };
}

describe.each(browserNames)("in %s", (name) => {
  const used = useBrowser(name);

  test("shows each event in the console before the next is sent", async () => {
    const { page } = used;
    const { source, channel } = fed();
    const { origin } = await serve((response) => {
      const isPage = response.req.url === "/";
      void sendChunked(response, isPage ? source.through(comet({ callback: "console.log" })) : Enumerator.of(""));
    });
    const before = page.console.length;
    await page.goto(`${origin}/`);
    const writer = await channel;
    for (const [i, event] of events.entries()) {
      writer.push(event);
      await until(() => page.console.length > before + i);
    }
    writer.end();
    expect(page.console.slice(before).map(({ text }) => text)).toEqual(events);
  });

  test("delivers each event to the parent of a forever iframe before the next is sent", async () => {
    const { page } = used;
    const { source, channel } = fed();
    const { origin } = await serve((response) => {
      const isFrame = response.req.url === "/comet";
      void sendChunked(
        response,
        isFrame ? source.through(comet({ callback: "parent.cometMessage" })) : Enumerator.of(framePage),
      );
    });
    await page.goto(`${origin}/`);
    const writer = await channel;
    for (const [i, event] of events.entries()) {
      writer.push(event);
      await holds(page, `received.length > ${i}`);
    }
    writer.end();
    expect(await page.evaluate("received")).toEqual(events);
  });

  test("runs hand-written scripts once the document ends", async () => {
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

  test("runs only scripts with the nonce of a strict policy", async () => {
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
    await holds(page, "window.received?.length >= 2");
    expect(await page.evaluate("received")).toEqual(["with", "with"]);
  });

  test("blocks a document from another origin from framing the stream", async () => {
    const { page } = used;
    const log = (event: string): Enumerator<Html> => Enumerator.of(event).through(comet({ callback: "console.log" }));
    let answered: () => void = () => undefined;
    const isAnswered = new Promise<void>((resolve) => (answered = resolve));
    const { origin } = await serve((response) => void sendChunked(response, log("x")).then(answered));
    const other = await serve((response) => {
      const frames = html`<!doctype html><iframe src="${origin}"></iframe><iframe src="/own"></iframe>`;
      if (response.req.url !== "/own") void sendChunked(response, Enumerator.of(frames));
      else void isAnswered.then(() => sendChunked(response, log("own")));
    });
    const before = page.console.length;
    const logged = (event: string): boolean => page.console.slice(before).some(({ text }) => text === event);
    await page.goto(other.origin);
    // The page's own stream is sent last, so the other's scripts would have run before.
    await until(() => logged("own"));
    expect(logged("x")).toBe(false);
    await page.goto(origin);
    await until(() => logged("x"));
  });
});

/** One source after another. */
async function* concat<E>(...sources: readonly AsyncIterable<E>[]): AsyncGenerator<E> {
  for (const source of sources) yield* source;
}
