import { build } from "esbuild";
import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { nodeHandler, type NodeResponse } from "../../src/adapters/node/index.ts";
import type { RequestOptions, HubOptions } from "../../src/index.ts";
import type { Page } from "./browsers/browser.ts";
import type { FollowRequest, SourceRecord } from "./client-page.ts";
import { notedHub, type NotedHub } from "./hub.ts";
import { serve, type TestServer } from "./servers.ts";

/** Options of a {@link ClientSite}. */
export interface SiteOptions {
  readonly hub?: HubOptions;
  readonly connect?: RequestOptions;
  /** Headers of the page's responses, not of the hub's. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The nonce of the page's script. */
  readonly nonce?: string;
  /** Answers a request instead of the page and the hub; returns whether it did. */
  readonly instead?: (response: NodeResponse) => boolean;
}

/** A hub at `/events`, and a page at `/` with the script client-page.ts. */
export interface ClientSite extends NotedHub, TestServer {
  /** The query of each request for the stream. */
  readonly asked: URLSearchParams[];
}

export async function clientSite(options: SiteOptions = {}): Promise<ClientSite> {
  const noted = notedHub(options.hub);
  const script = await clientScript();
  const asked: URLSearchParams[] = [];
  const server = await serve((response) => {
    const { pathname, searchParams } = new URL(response.req.url ?? "/", "http://site.test");
    if (pathname === "/events") asked.push(searchParams);
    if (options.instead?.(response) === true) return;
    if (pathname === "/events") {
      void nodeHandler(noted.hub, options.connect)(response.req, response);
      return;
    }
    answer(response as ServerResponse, pathname, script, options);
  });
  return { ...noted, ...server, asked };
}

function answer(response: ServerResponse, pathname: string, script: string, { headers, nonce }: SiteOptions): void {
  // Streams get connections of their own.
  response.setHeader("connection", "close");
  for (const [name, value] of Object.entries(headers ?? {})) response.setHeader(name, value);
  if (pathname === "/client.js") {
    response.setHeader("content-type", "text/javascript; charset=utf-8");
    response.end(script);
    return;
  }
  response.setHeader("content-type", "text/html; charset=utf-8");
  const attribute = nonce === undefined ? "" : ` nonce="${nonce}"`;
  const blank = " ".repeat(1024);
  response.end(
    `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>A page</title>` +
      `<body>${blank}<script${attribute} src="/client.js"></script>`,
  );
}

let made: Promise<string> | undefined;

/** The bundle of client-page.ts. */
export function clientScript(): Promise<string> {
  made ??= build({
    entryPoints: [fileURLToPath(new URL("client-page.ts", import.meta.url))],
    bundle: true,
    format: "iife",
    target: "es2022",
    minify: true,
    write: false,
  }).then(({ outputFiles }) => outputFiles[0]?.text ?? "");
  return made;
}

/** Loads a page of a {@link ClientSite}, and waits for its script. */
export async function visit(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await holds(page, "globalThis.page && document.readyState === 'complete'");
}

/** Makes the page follow an address. The source and its record have this name. */
export function follow(page: Page, name: string, url: string, request: FollowRequest = {}): Promise<void> {
  return page.evaluate(`void page.follow(${[name, url, request].map((argument) => JSON.stringify(argument)).join()})`);
}

/** The record of the source of this name. */
export function recordOf(page: Page, name: string): Promise<SourceRecord> {
  return page.evaluate<SourceRecord>(`page.records[${JSON.stringify(name)}]`);
}

/** The pauses in milliseconds between two looks at a page: the first, and the longest. A look takes a busy machine a while. */
const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 100;

/** Waits until an expression holds in the page. Where it throws it does not hold: the page's scripts may not have run yet. */
export async function holds(page: Page, expression: string, timeoutMs = 60_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  const attempt = `(() => { try { return Boolean(${expression}); } catch { return false; } })()`;
  for (let pauseMs = FIRST_PAUSE_MS; performance.now() < end; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    if (await page.evaluate<boolean>(attempt)) return;
    await sleep(pauseMs);
  }
  const shown = await page.evaluate<unknown>("globalThis.page?.records ?? document.body?.innerText ?? null");
  const text = JSON.stringify(shown, (_, value: unknown) => (Array.isArray(value) ? lastOf(value) : value));
  expect.fail(`never true: ${expression}; the page's records or text: ${text.slice(0, 6000)}`);
}

/** The last items of a list, after the number of those that are left out. */
function lastOf(list: readonly unknown[]): readonly unknown[] {
  return list.length > 5 ? [`${list.length - 4} others`, ...list.slice(-4)] : list;
}
