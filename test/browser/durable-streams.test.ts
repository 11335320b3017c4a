import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { build } from "esbuild";
import { describe, expect, onTestFinished, test } from "vitest";
import { nodeHandler } from "../../src/adapters/node/index.ts";
import { Hub } from "../../src/index.ts";
import { durableStreams } from "../../src/surfaces/durable-streams/index.ts";
import { poll } from "../support/browsers/common.ts";
import { root } from "../support/run.ts";
import { useBrowser } from "../support/use-browser.ts";

/** The functions of the example, with the official client, as the global `example`. */
async function script(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(root, "examples/durable-streams/client.mjs")],
    bundle: true,
    format: "iife",
    globalName: "example",
    write: false,
  });
  return outputFiles[0]?.text ?? "";
}

/** Serves on a free port until the test is over. */
async function listen(listener: Parameters<typeof createServer>[1], port = 0): Promise<string> {
  const server = createServer(listener as never);
  await new Promise<void>((resolve) => void server.listen(port, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("the official client of Durable Streams in Chromium", () => {
  const used = useBrowser("chromium");

  test("writes and reads streams of another origin, live and with a producer", async () => {
    const { page } = used;
    const code = await script();
    const site = await listen((_, response) => {
      response.setHeader("content-type", "text/html");
      response.end(`<!doctype html><link rel="icon" href="data:,"><script>${code}</script>`);
    });
    const hub = new Hub({ cors: { origins: [site] } });
    onTestFinished(() => void hub.close({ drainMs: 0 }));
    const url = `${await listen(nodeHandler(durableStreams(hub)))}/job`;
    await page.goto(site);
    const isLoaded = async (): Promise<true | undefined> =>
      (await page.evaluate<boolean>("typeof example === 'object'")) || undefined;
    await poll(50, "the page's script has not run", isLoaded);
    const lines = await page.evaluate<string[]>(`(async () => {
      const lines = [];
      await example.write(${JSON.stringify(url)}, "token", ["one", "two", "three"]);
      await example.read(${JSON.stringify(url)}, (line) => lines.push(line));
      return lines;
    })()`);
    expect(lines).toEqual(["one", "two", "three"]);
    // The client warns of HTTP/1.1 by itself.
    expect(page.console.filter(({ level }) => level !== "warn")).toEqual([]);
  });
});
