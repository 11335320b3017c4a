import type { ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import type { NodeResponse } from "../../src/adapters/node/index.ts";
import { holds } from "../support/client-site.ts";
import { modulesSite } from "../support/modules-site.ts";
import { until } from "../support/sources.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

/** An answer as that of a language model's API: the words of the request's body, as the bytes arrive. */
function answerWords(response: ServerResponse): void {
  let body = "";
  response.req.on("data", (piece) => (body += String(piece)));
  response.req.on("end", () => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const events = (JSON.parse(body) as { prompt: string }).prompt.split(" ").map((word) => `data: ${word}\r\n\r\n`);
    const bytes = Buffer.from(`\ufeff${events.join("")}data: [DONE]\r\n\r\n`);
    const send = (i: number): void => {
      if (i >= bytes.length) response.end();
      else response.write(bytes.subarray(i, i + 3), () => setImmediate(send, i + 3));
    };
    send(0);
  });
}

describe.each(browserNames)("in %s", (name) => {
  const used = useBrowser(name);

  test("reads the answer to a POST once, though the page is hidden meanwhile", async () => {
    const { page } = used;
    let requests = 0;
    const { visit } = await modulesSite({
      instead: (response, path) => {
        if (path !== "/answers") return false;
        requests += 1;
        answerWords(response as ServerResponse);
        return true;
      },
    });
    await visit(page);
    const read = `(async () => {
      const words = [];
      const request = { method: "POST", body: JSON.stringify({ prompt: "é 😀 last" }) };
      for await (const { data } of Comet.fetchEvents("/answers", request)) {
        words.push(data);
        Object.defineProperty(document, "hidden", { value: words.length % 2 === 1, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
      }
      return words;
    })()`;
    expect(await page.evaluate(read)).toEqual(["é", "😀", "last", "[DONE]"]);
    expect(requests).toBe(1);
  });

  test("resumes any event stream by its ids, such as a hub's, whose connection is cut", async () => {
    const { page } = used;
    const streams: NodeResponse[] = [];
    const { hub, visit } = await modulesSite({
      hub: { retryMs: 10 },
      instead: (response, path) => {
        if (path === "/events") streams.push(response);
        return false;
      },
    });
    await visit(page);
    await page.evaluate(`void (async () => {
      globalThis.numbers = [];
      globalThis.controller = new AbortController();
      const options = { parse: JSON.parse, backoffMs: 10, signal: controller.signal };
      try {
        for await (const { type, data } of Comet.fetchEvents("/events?topic=a&wire=sse&from=oldest", options))
          if (type === "message") numbers.push(data);
      } catch (error) {
        globalThis.thrown = error;
      }
    })()`);
    for (let number = 1; number <= 30; number += 1) {
      await hub.topic("a").publish(number);
      if (number % 10 !== 0) continue;
      await holds(page, `numbers.length === ${number}`);
      (streams.at(-1) as ServerResponse).socket?.resetAndDestroy();
      await until(() => streams.length > number / 10);
    }
    await hub.topic("a").publish(31);
    await holds(page, "numbers.length === 31");
    expect(await page.evaluate("numbers")).toEqual(Array.from({ length: 31 }, (_, i) => i + 1));
    await page.evaluate("controller.abort(new Error('stopped'))");
    await holds(page, "globalThis.thrown?.message === 'stopped'");
    await until(() => hub.stats().connections === 0);
  });

  test("lets the page do other work while 10,000 events of any stream arrive at once", async () => {
    const { page } = used;
    const { visit } = await modulesSite({
      instead: (response, path) => {
        if (path !== "/many") return false;
        (response as ServerResponse).writeHead(200, { "content-type": "text/event-stream" });
        (response as ServerResponse).end(Array.from({ length: 10_000 }, (_, i) => `data: ${i}\n\n`).join(""));
        return true;
      },
    });
    await visit(page);
    // Each task of the channel is one in which the page could handle input. The loop works for 200 ms in all.
    const count = `(async () => {
      const { port1, port2 } = new MessageChannel();
      let [tasks, count] = [0, 0];
      port1.onmessage = () => {
        tasks += 1;
        port2.postMessage(0);
      };
      for await (const { data } of Comet.fetchEvents("/many", { maxRetries: 0 })) {
        if (count++ === 0) port2.postMessage(0);
        const end = performance.now() + 1;
        if (count % 50 === 0) while (performance.now() < end);
      }
      port1.close();
      return { count, isShared: tasks > 10 };
    })()`;
    expect(await page.evaluate(count)).toEqual({ count: 10_000, isShared: true });
  });

  test("delivers 10,000 messages at once in few batches, at most one a frame, in their order", async () => {
    const { page } = used;
    const { hub, visit } = await modulesSite({ hub: { log: { maxEntries: 20_000 } } });
    for (let number = 1; number <= 10_000; number += 1) await hub.topic("a").publish({ number });
    await visit(page);
    const count = `new Promise((resolve) => {
      const source = new Comet.CometSource("/events?topic=a&from=oldest");
      let [messages, last, delivered, most, frame, inFrame, at] = [0, 0, 0, 0, -1, 0, 0];
      source.addEventListener("message", () => (messages += 1));
      let frames = 0;
      const next = () => {
        frames += 1;
        requestAnimationFrame(next);
      };
      requestAnimationFrame(next);
      Comet.batches(source, (batch) => {
        delivered += 1;
        // Where a frame is late, a timer delivers: on a busy machine perhaps twice.
        inFrame = frame === frames && performance.now() - at < 200 ? inFrame + 1 : 1;
        [frame, at] = [frames, performance.now()];
        most = Math.max(most, inFrame);
        for (const { data: { number } } of batch) {
          if (number !== last + 1) resolve("not " + number + " after " + last);
          last = number;
        }
        if (last === 10000) resolve({ last, messages, isBatched: delivered < 1000, most });
      });
    })`;
    expect(await page.evaluate(count)).toEqual({ last: 10_000, messages: 10_000, isBatched: true, most: 1 });
  });

  test("delivers the newest message of each key, and the last batch after close()", async () => {
    const { page } = used;
    const { hub, visit } = await modulesSite();
    await visit(page);
    await page.evaluate(`void (() => {
      globalThis.prices = {};
      globalThis.seen = 0;
      globalThis.source = new Comet.CometSource("/events?topic=a");
      const show = (batch) => batch.forEach(({ data }) => (prices[data.symbol] = data.cents));
      Comet.batches(source, show, { types: ["price"], latest: ({ data }) => data.symbol });
      source.addEventListener("price", () => (seen += 1) === 200 && source.close());
      source.onopen = () => (globalThis.isOpen = true);
    })()`);
    await holds(page, "globalThis.isOpen");
    for (let cents = 1; cents <= 100; cents += 1)
      for (const symbol of ["a", "b"]) await hub.topic("a").publish({ symbol, cents }, { event: "price" });
    await holds(page, "prices.a === 100 && prices.b === 100");
    expect(await page.evaluate("[seen, source.readyState]")).toEqual([200, 2]);
  });

  test("logs which wires the page's policy forbids, and which one is used", async () => {
    const { page } = used;
    const { hub, visit } = await modulesSite({ policy: "default-src 'self'; connect-src 'none'; img-src data:" });
    await visit(page);
    await page.evaluate(`void (() => {
      globalThis.lines = [];
      const log = (line) => lines.push(line);
      const wires = [Comet.ndjson, Comet.sse, Comet.comet].map((wire) => Comet.logWire(wire, log));
      const source = new Comet.CometSource("/events?topic=a", { wires });
      Comet.logTo(source, log);
      globalThis.source = source;
    })()`);
    await holds(page, "lines.some((line) => line.startsWith('open over'))");
    const { epoch = "" } = /=(?<epoch>.*)\.0$/.exec(await page.evaluate<string>("source.lastEventId"))?.groups ?? {};
    await page.evaluate("source.close()");
    const lines = await page.evaluate<string[]>("lines");
    expect(lines.map((line) => line.replaceAll(epoch, "E"))).toEqual([
      "ndjson: request without a position",
      expect.stringMatching(/^ndjson: ERR_NETWORK /),
      "sse: request without a position",
      expect.stringMatching(/^sse: ERR_NETWORK /),
      "comet: request without a position",
      "comet: open at a=E.0",
      "open over comet: a fresh (at a=E.0)",
      "comet: closed by the client",
    ]);
    await until(() => hub.stats().connections === 0);
  });
});
