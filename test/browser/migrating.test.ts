import { build } from "esbuild";
import { once } from "node:events";
import { request as sendRequest, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { holds } from "../support/client-site.ts";
import { root } from "../support/run.ts";
import { serve } from "../support/servers.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

interface Example {
  readonly server: Server;
  readonly setPrice: (symbol: string, cents: number) => unknown;
}

/** Runs a server of examples/migrating until the test is over. */
async function startExample(name: string): Promise<Example & { readonly port: number }> {
  vi.stubEnv("PORT", "0");
  vi.resetModules();
  const example = (await import(join(root, "examples/migrating", `${name}.ts`))) as Example;
  const { server } = example;
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
    vi.unstubAllEnvs();
  });
  if (!server.listening) await once(server, "listening");
  return { ...example, port: (server.address() as AddressInfo).port };
}

/** A page at `/page` with a file of examples/migrating as `example`; everything else is of the server on `port`. */
async function pageOf(name: string, answer: (response: ServerResponse) => void): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(root, "examples/migrating", `${name}.ts`)],
    bundle: true,
    format: "iife",
    globalName: "example",
    define: { global: "globalThis" },
    target: "es2022",
    write: false,
    alias: { "comet-sockets/client": join(root, "src/client/index.ts") },
  });
  const { origin } = await serve((response) => {
    const { url } = response.req;
    if (url === "/page") {
      response.setHeader("content-type", "text/html");
      (response as ServerResponse).end(
        `<!doctype html><link rel="icon" href="data:,"><script src="/page.js"></script>`,
      );
    } else if (url === "/page.js") {
      response.setHeader("content-type", "text/javascript; charset=utf-8");
      (response as ServerResponse).end(outputFiles[0]?.text);
    } else answer(response as ServerResponse);
  });
  return `${origin}/page`;
}

/** Passes a request on to another server. */
const passTo =
  (port: number) =>
  (response: ServerResponse): void => {
    const { url, method, headers } = response.req;
    const upstream = sendRequest({ host: "127.0.0.1", port, path: url, method, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
      answer.on("error", () => response.destroy());
    });
    upstream.on("error", () => response.destroy());
    response.on("close", () => upstream.destroy());
    response.req.pipe(upstream);
  };

describe.each(browserNames)("in %s", (name) => {
  const used = useBrowser(name);

  const visit = async (url: string): Promise<void> => {
    await used.page.goto(url);
    await holds(used.page, "globalThis.example && document.readyState === 'complete'");
    await used.page.evaluate("globalThis.shown = []");
  };

  describe.each(["before", "after"])("%s", (when) => {
    test("a page of prices shows the same by an EventSource and by a CometSource", async () => {
      const { setPrice, port } = await startExample(`event-source-${when}`);
      await visit(await pageOf(`event-source-page-${when}`, passTo(port)));
      await used.page.evaluate("globalThis.stop = example.followPrices((price) => shown.push(price)), null");
      // A server by hand does not keep what it sends before the page is connected.
      for (let cents = 1; !(await used.page.evaluate<boolean>("shown.length > 0")); cents += 1)
        await setPrice("ABC", cents);
      expect(await used.page.evaluate("shown[0]")).toEqual({ symbol: "ABC", cents: expect.any(Number) as number });
      await used.page.evaluate("stop()");
    });

    test("a page shows the same answer of a language model by fetch-event-source and by fetchEvents", async () => {
      const bodies: string[] = [];
      const answer = (response: ServerResponse): void => {
        let body = "";
        response.req.on("data", (piece) => (body += String(piece)));
        response.req.on("end", () => {
          bodies.push(`${response.req.method} ${body}`);
          if (body.includes("forbidden")) {
            response.writeHead(400, { "content-type": "text/plain" }).end("Ask something else.");
            return;
          }
          response.writeHead(200, { "content-type": "text/event-stream" });
          response.write("data: One\n\nda");
          response.end("ta:  word\n\ndata: [DONE]\n\n");
        });
      };
      await visit(await pageOf(`fetch-event-source-${when}`, answer));
      const ask = (question: string): Promise<string> =>
        used.page.evaluate(
          `example.ask("${question}", (piece) => shown.push(piece), new AbortController().signal)
            .then(() => "done", (error) => error.message)`,
        );
      expect(await ask("why")).toBe("done");
      expect(await used.page.evaluate("shown")).toEqual(["One", " word"]);
      expect(await ask("forbidden")).toBe("Ask something else.");
      expect(bodies).toEqual(['POST {"question":"why"}', 'POST {"question":"forbidden"}']);
    });

    test.each([
      ["Socket.IO", "socket-io", `example.join("7", (text) => shown.push(text))`],
      ["SockJS", "sockjs", `example.join((text) => shown.push(text))`],
    ])("a page says and hears the same as with %s", async (_, example, join) => {
      const { port } = await startExample(`${example}-${when}`);
      await visit(await pageOf(`${example}-page-${when}`, passTo(port)));
      await used.page.evaluate(
        `${join}.then((joined) => (globalThis.joined = joined), (error) => shown.push(String(error))) && null`,
      );
      await holds(used.page, "globalThis.joined");
      await used.page.evaluate(`joined.say("hello").then(() => joined.say("again"))`);
      await holds(used.page, "shown.length === 2");
      expect(await used.page.evaluate("shown")).toEqual(["hello", "again"]);
      await used.page.evaluate("joined.leave()");
    });
  });
});
