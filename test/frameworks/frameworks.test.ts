/**
 * Runs each example of `examples/frameworks/` with its real framework, this package's tarball, and Chromium. `FRAMEWORKS`
 * names those to run, all by default.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from "vitest";
import { ensureSystemPackages } from "../support/system-packages.ts";
import { browserNeeds, launchBrowser, type Browser, type Page } from "../support/browsers/browser.ts";
import { Follower, streams } from "../support/hub.ts";
import { cases, readFrameworks, type CaseName } from "./framework.ts";
import { makeProject, packTarball } from "./project.ts";
import { newAddress, runCommand, startServer, type FrameworkServer } from "./server.ts";

const wanted = (process.env["FRAMEWORKS"] ?? "").split(",").filter((name) => name !== "");
const frameworks = readFrameworks().filter(({ name }) => wanted.length === 0 || wanted.includes(name));

const ALLOWED = "https://app.example.com";
/** What a server prints about an error. */
const ERRORS = /error|abort|exception|reject|unhandled|warn|failed/i;
/** The longest wait for an event on a machine under load. */
const PATIENCE_MS = 30_000;

let folder: string;
let tarball: string;
let browser: Browser;

beforeAll(async () => {
  await ensureSystemPackages([...browserNeeds.chromium, "nginx"]);
  folder = mkdtempSync(join(tmpdir(), "comet-sockets-frameworks-"));
  [tarball, browser] = await Promise.all([packTarball(folder), launchBrowser("chromium")]);
});

afterAll(async () => {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Waits until a condition holds. */
async function until(condition: () => boolean | Promise<boolean>, timeoutMs = PATIENCE_MS): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > end) expect.fail(`not within ${timeoutMs} ms: ${condition.toString()}`);
    await sleep(20);
  }
}

/** Waits until an expression is true in a page. */
const shows = (page: Page, expression: string): Promise<void> =>
  until(() => page.evaluate<boolean>(`Boolean(${expression})`));

/** Posts JSON as a page of the site does. */
function post(url: string, body: unknown, cookie = ""): Promise<Response> {
  const headers = { "content-type": "application/json", origin: new URL(url).origin, cookie };
  return fetch(url, { method: "POST", body: JSON.stringify(body), headers, redirect: "manual" });
}

/** Signs in by the framework's own session. @returns The cookies. */
async function signIn(origin: string, user: string): Promise<string> {
  const response = await post(`${origin}/login`, { user });
  expect(response.ok, `POST /login: ${response.status} ${await response.text()}`).toBe(true);
  return response.headers
    .getSetCookie()
    .map((cookie) => cookie.split(";", 1).join())
    .join("; ");
}

/** Follows a hub as a signed-in user. */
async function followAs(
  cookie: string,
  origin: string,
  query = "topic=news&wire=ndjson",
  headers: Record<string, string> = {},
): Promise<Follower> {
  const leave = new AbortController();
  const response = await fetch(`${origin}/live?${query}`, { headers: { cookie, ...headers }, signal: leave.signal });
  // Express's `res.append`, which React Router uses, adds a charset to every text.
  const type = response.headers.get("content-type")?.replace(/^(?!text\/html)(.*); charset=utf-8$/, "$1") ?? "";
  const plain = new Response(response.body, { status: response.status, headers: { "content-type": type } });
  return new Follower(plain, new URLSearchParams(query), () => leave.abort());
}

interface Stats {
  readonly connections: number;
  readonly opened: number;
}

const statsOf = async (origin: string): Promise<Stats> => (await fetch(`${origin}/stats`)).json() as Promise<Stats>;

/** The status and headers of an answer whose body is not read. */
async function headOf(url: string, init: RequestInit): Promise<{ status: number; headers: Headers }> {
  const leave = new AbortController();
  const { status, headers } = await fetch(url, { ...init, signal: leave.signal });
  leave.abort();
  return { status, headers };
}

describe.each(frameworks)("$title", (framework) => {
  let project: string;
  let server: FrameworkServer;
  let page: Page;
  let cookie: string;
  let live: string;
  let start: number;

  /** Runs a case unless it does not apply. */
  const check = (name: CaseName, run: () => Promise<void>): void => {
    if (framework.without?.[name] !== undefined) return;
    test(cases[name], () => {
      onTestFailed(() => console.error(server.output()));
      return run();
    });
  };
  const follow = (query?: string, headers?: Record<string, string>): Promise<Follower> =>
    followAs(cookie, server.origin, query, headers);
  const publish = async (text: string): Promise<void> => {
    const response = await post(`${server.origin}/news`, { text }, cookie);
    expect(response.ok, `POST /news: ${response.status} ${await response.text()}`).toBe(true);
  };

  beforeAll(async () => {
    start = performance.now();
    project = await makeProject(framework, tarball);
    const env = { ...framework.env, ...(await newAddress()) };
    for (const command of framework.build ?? []) await runCommand(project, command, env);
    server = await startServer(project, framework.start, env);
    live = `${server.origin}/live`;
    cookie = await signIn(server.origin, "ada");
    page = await browser.newPage();
  });

  afterAll(async () => {
    // They are missing if the project could not be built or started.
    await (page as Page | undefined)?.close();
    await (server as FrameworkServer | undefined)?.kill();
    rmSync(project, { recursive: true, force: true });
    console.log(`  ${framework.title}: ${((performance.now() - start) / 1000).toFixed(0)} s`);
  });

  check("page", async () => {
    const { headers } = await headOf(`${server.origin}/`, { headers: { cookie } });
    expect(headers.get("content-security-policy")).toMatch(/default-src 'self'/);
    await page.goto(`${server.origin}/version`);
    await page.evaluate(
      `fetch("/login", { method: "POST", headers: { "content-type": "application/json" }, body: '{"user":"ada"}' })`,
    );
    await page.goto(`${server.origin}/`);
    await shows(page, `document.body?.dataset.state === "open"`);
    await publish("one");
    await shows(page, `document.querySelector("#news").textContent.includes("one")`);
    await shows(page, `document.querySelector("#frame").textContent.includes("one")`);
  });

  check("authorization", async () => {
    expect((await headOf(`${live}?topic=news`, {})).status).toBe(401);
    expect((await headOf(`${live}?topic=user:ada`, { headers: { cookie } })).status).toBe(200);
    expect((await headOf(`${live}?topic=user:bob`, { headers: { cookie } })).status).toBe(403);
    expect((await post(`${server.origin}/news`, { text: "forged" })).status).toBe(401);
  });

  check("cors", async () => {
    const asks = { "access-control-request-method": "GET", "access-control-request-headers": "last-event-id" };
    const preflight = await headOf(live, { method: "OPTIONS", headers: { origin: ALLOWED, ...asks } });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-headers")?.toLowerCase()).toContain("last-event-id");
    const stream = await headOf(`${live}?topic=news`, { headers: { origin: ALLOWED, cookie } });
    expect(stream.status).toBe(200);
    for (const { headers } of [preflight, stream]) {
      expect(headers.get("access-control-allow-origin")).toBe(ALLOWED);
      expect(headers.get("access-control-allow-credentials")).toBe("true");
    }
    const stranger = { origin: "https://example.net" };
    for (const { headers } of [
      await headOf(live, { method: "OPTIONS", headers: { ...stranger, ...asks } }),
      await headOf(`${live}?topic=news`, { headers: { ...stranger, cookie } }),
    ]) {
      expect(headers.get("access-control-allow-origin")).toBe(null);
    }
  });

  check("wires", async () => {
    const compressed = { "accept-encoding": "gzip, br" };
    const followers = await Promise.all(streams.map((wire) => follow(`topic=news&wire=${wire}`, compressed)));
    await Promise.all(followers.map((follower) => follower.begun()));
    const waiting = await follow("topic=news&wire=poll&from=oldest", compressed);
    await publish("to every wire");
    for (const follower of followers) await until(() => follower.text.includes("to every wire"));
    await waiting.ended();
    for (const follower of followers) follower.leave();
    const { opened } = await statsOf(server.origin);
    const head = await fetch(`${live}?topic=news`, {
      method: "HEAD",
      headers: { cookie, accept: "text/event-stream" },
    });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    expect(head.headers.get("content-type")).toMatch(/^text\/event-stream/);
    expect((await statsOf(server.origin)).opened).toBe(opened);
  });

  check("leaving", async () => {
    // Earlier output is not about disconnecting, such as that of a missing icon.
    const before = server.output().length;
    await page.goto("about:blank");
    await until(async () => (await statsOf(server.origin)).connections === 0);
    const followers = await Promise.all(streams.map((wire) => follow(`topic=news&wire=${wire}`)));
    await Promise.all(followers.map((follower) => follower.begun()));
    const leave = new AbortController();
    const position = encodeURIComponent(followers[0]?.open.position ?? "");
    const poll = fetch(`${live}?topic=news&wire=poll&lastEventId=${position}`, {
      headers: { cookie },
      signal: leave.signal,
    });
    await until(async () => (await statsOf(server.origin)).connections === 4);
    for (const follower of followers) follower.leave();
    leave.abort();
    await expect(poll).rejects.toThrow(/abort/);
    await until(async () => (await statsOf(server.origin)).connections === 0);
    const printed = server
      .output()
      .slice(before)
      .split("\n")
      .filter((line) => ERRORS.test(line));
    if (framework.logs === undefined) expect(printed).toEqual([]);
    else expect(printed.join("\n")).toContain(framework.logs);
  });

  check("one-hub", async () => {
    const follower = await (await follow()).begun();
    await publish("from a route");
    await until(() => follower.data.includes("from a route"));
    if (framework.action !== undefined) {
      await page.goto(`${server.origin}${framework.action}`);
      await shows(page, `document.body?.dataset.state === "open" && document.querySelector("#action")`);
      await page.evaluate(`document.querySelector("#action").click()`);
      await until(() => follower.data.includes("from an action"));
      await shows(page, `document.querySelector("#news").textContent.includes("from an action")`);
    }
    follower.leave();
  });

  check("drain", async () => {
    await page.goto(`${server.origin}/`);
    await shows(page, `document.body?.dataset.state === "open"`);
    const follower = await (await follow()).begun();
    const exited = server.terminate();
    expect((await follower.ended()).end).toMatchObject({ reason: "drain" });
    await shows(page, `document.body.dataset.error === "ERR_ENDED"`);
    await page.goto("about:blank");
    expect(await exited).toEqual([framework.exitCode ?? 0, null]);
  });

  check("hot-reload", async () => {
    const { dev = [], edit = "" } = framework;
    const development = await startServer(project, dev, { ...framework.env, ...(await newAddress()) });
    onTestFailed(() => console.error(development.output()));
    try {
      const { origin } = development;
      const session = await signIn(origin, "ada");
      const versionOf = async (): Promise<string> => (await fetch(`${origin}/version`)).text();
      expect(await versionOf()).toContain("v1");
      const follower = await (await followAs(session, origin)).begun();
      const before = await statsOf(origin);
      const path = join(project, edit);
      writeFileSync(path, readFileSync(path, "utf8").replace('"v1"', '"v2"'));
      if (framework.crash !== undefined) {
        await development.exited;
        expect(development.output()).toContain(framework.crash);
        return;
      }
      await until(async () => (await versionOf()).includes("v2"));
      // A stream that breaks off is one to which the client reconnects.
      if (framework.restarts === true) await until(() => follower.over);
      const reader = framework.restarts === true ? await (await followAs(session, origin)).begun() : follower;
      const published = await post(`${origin}/news`, { text: "after the edit" }, session);
      expect(published.ok, `POST /news: ${published.status} ${development.output()}`).toBe(true);
      await until(() => reader.data.includes("after the edit"));
      expect((await statsOf(origin)).opened).toBe(before.opened);
      reader.leave();
    } finally {
      await development.kill();
    }
  });
});
