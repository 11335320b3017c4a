import { build } from "esbuild";
import type { ServerResponse } from "node:http";
import { fileURLToPath } from "node:url";
import { nodeHandler, type NodeResponse } from "../../src/adapters/node/index.ts";
import type { HubOptions } from "../../src/index.ts";
import type { Page } from "./browsers/browser.ts";
import { holds } from "./client-site.ts";
import { notedHub, type NotedHub } from "./hub.ts";
import { serve, type TestServer } from "./servers.ts";

/** Options of a {@link ModulesSite}. */
export interface ModulesSiteOptions {
  readonly hub?: HubOptions;
  /** The Content-Security-Policy of the page. */
  readonly policy?: string;
  /** Answers a request instead of the page and the hub; returns whether it did. */
  readonly instead?: (response: NodeResponse, path: string) => boolean;
}

/** A hub at `/events`, and a page at `/` with the whole client as `Comet`. */
export interface ModulesSite extends NotedHub, TestServer {
  /** Loads the page, and waits for its script. */
  readonly visit: (page: Page) => Promise<void>;
}

export async function modulesSite({ hub, policy, instead }: ModulesSiteOptions = {}): Promise<ModulesSite> {
  const noted = notedHub(hub);
  const script = await clientScript();
  const server = await serve((response) => {
    const path = (response.req.url ?? "/").split("?")[0] ?? "/";
    if (instead?.(response, path) === true) return;
    if (path === "/events") void nodeHandler(noted.hub)(response.req, response);
    else answer(response as ServerResponse, path, script, policy);
  });
  const visit = async (page: Page): Promise<void> => {
    await page.goto(`${server.origin}/`);
    await holds(page, "globalThis.Comet && document.readyState === 'complete'");
  };
  return { ...noted, ...server, visit };
}

function answer(response: ServerResponse, path: string, script: string, policy: string | undefined): void {
  // Streams get connections of their own.
  response.setHeader("connection", "close");
  if (policy !== undefined) response.setHeader("content-security-policy", policy);
  const isScript = path === "/client.js";
  response.setHeader("content-type", `text/${isScript ? "javascript" : "html"}; charset=utf-8`);
  const blank = " ".repeat(1024);
  response.end(
    isScript
      ? script
      : `<!doctype html><link rel="icon" href="data:,"><title>A page</title><body>${blank}<script src="/client.js"></script>`,
  );
}

let made: Promise<string> | undefined;

/** The client's bundle, as the global `Comet`. */
function clientScript(): Promise<string> {
  made ??= build({
    entryPoints: [fileURLToPath(new URL("../../src/client/index.ts", import.meta.url))],
    bundle: true,
    format: "iife",
    globalName: "Comet",
    target: "es2022",
    minify: true,
    write: false,
  }).then(({ outputFiles }) => outputFiles[0]?.text ?? "");
  return made;
}
