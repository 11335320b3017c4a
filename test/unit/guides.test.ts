import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EventSource } from "eventsource";
import { beforeAll, describe, expect, onTestFailed, onTestFinished, test, vi } from "vitest";
import { Hub } from "../../src/index.ts";
import { read } from "../../examples/guides/read.ts";
import { freePort } from "../support/free-port.ts";
import { guidesFolder, serveGuide } from "../support/guides.ts";
import { Follower } from "../support/hub.ts";
import { NdjsonDecoder } from "../support/decoders/ndjson-decoder.ts";
import { onSources } from "../support/on-sources.ts";
import { startRedis } from "../support/redis.ts";
import { run } from "../support/run.ts";
import { until } from "../support/sources.ts";
import { ensureSystemPackages, systemPath } from "../support/system-packages.ts";
import type { WireItem } from "../support/decoders/wire-item.ts";

beforeAll(() => ensureSystemPackages(["curl", "python3", "redis-server"]));

/** Sends JSON, and expects success. */
async function send(method: string, url: string, body: unknown, cookie = ""): Promise<Response> {
  const headers = { "content-type": "application/json", cookie };
  const response = await fetch(url, { method, body: JSON.stringify(body), headers });
  expect(response.ok, `${method} ${url}: ${response.status}`).toBe(true);
  return response;
}

/** Tries again until it succeeds. */
async function eventually<T>(act: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await act();
    } catch {
      await sleep(20);
    }
  }
}

interface Program {
  readonly child: ChildProcess;
  /** The lines that it has printed so far. */
  readonly lines: () => string[];
}

/** Runs a program until the test is over. Its errors are printed if the test fails. */
function start(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Program {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let [output, errors] = ["", ""];
  child.stdout.on("data", (data: Buffer) => (output += data.toString()));
  child.stderr.on("data", (data: Buffer) => (errors += data.toString()));
  onTestFinished(() => void child.kill("SIGKILL"));
  onTestFailed(() => console.error(errors));
  return { child, lines: () => output.split("\n").slice(0, -1) };
}

describe("subscribing", () => {
  const publish = (origin: string, title: string): Promise<Response> => send("POST", `${origin}/news`, { title });

  test("publishes a posted message to NDJSON and to an EventSource", async () => {
    const { origin } = await serveGuide("subscribing");
    const follower = await (await Follower.fetch(`${origin}/live?topic=news`)).begun();
    const source = new EventSource(`${origin}/live?topic=news`);
    onTestFinished(() => source.close());
    const texts: unknown[] = [];
    source.onmessage = ({ data }) => texts.push(JSON.parse(data as string));
    await new Promise((resolve) => source.addEventListener("open", resolve));
    await publish(origin, "Comet returns");
    await until(() => texts.length === 1);
    expect(texts).toEqual([{ title: "Comet returns" }]);
    expect((await follower.has(1)).data).toEqual([{ title: "Comet returns" }]);
    expect((await fetch(`${origin}/live?topic=sports`)).status).toBe(404);
  });

  test("curl prints each message as it is published", async () => {
    const { origin, port } = await serveGuide("subscribing");
    await publish(origin, "first");
    const { lines } = start("sh", [join(guidesFolder, "subscribe.sh")], { PORT: String(port) });
    await until(() => lines().length === 2);
    const published = start("sh", [join(guidesFolder, "publish.sh")], { PORT: String(port) });
    expect(await once(published.child, "exit")).toEqual([0, null]);
    await until(() => lines().length === 3);
    const titles = lines().map((line) => (JSON.parse(line) as { data?: { title: string } }).data?.title);
    expect(titles).toEqual([undefined, "first", "Comet returns"]);
  });

  test("read.ts yields the items of one stream, and fails with the problem of a refusal", async () => {
    const { origin, server } = await serveGuide("subscribing");
    await publish(origin, "first");
    const items = read(`${origin}/live?topic=news&from=oldest`);
    expect((await items.next()).value).toMatchObject({ open: { states: { news: "fresh" } } });
    expect((await items.next()).value).toMatchObject({ data: { title: "first" } });
    const next = items.next();
    await publish(origin, "second");
    expect((await next).value).toMatchObject({ data: { title: "second" } });
    server.closeAllConnections();
    await expect(items.next()).rejects.toThrow("terminated");
    await expect(read(`${origin}/live`).next()).rejects.toThrow("ERR_TOPIC");
  });

  test("read.py prints each item", async () => {
    const { origin } = await serveGuide("subscribing");
    await publish(origin, "first");
    const url = `${origin}/live?topic=news&from=oldest`;
    const { lines } = start(systemPath("python3"), [join(guidesFolder, "read.py"), url]);
    await until(() => lines().length === 2);
    await publish(origin, "second");
    await until(() => lines().length === 3);
    expect(lines()[2]).toContain("'data': {'title': 'second'}");
  });

  test("subscribe.py resumes after a cut, and prints a gap after a restart of the server", async () => {
    const first = await serveGuide("subscribing");
    await publish(first.origin, "first");
    const url = `${first.origin}/live?topic=news&from=oldest`;
    const { lines } = start(systemPath("python3"), [join(guidesFolder, "subscribe.py"), url]);
    await until(() => lines().length === 1);
    first.server.closeAllConnections();
    await publish(first.origin, "second");
    await until(() => lines().length === 2);
    first.server.close();
    first.server.closeAllConnections();
    const second = await serveGuide("subscribing", { PORT: String(first.port) });
    await publish(second.origin, "third");
    await until(() => lines().length === 4);
    expect(lines().map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { data: { title: "first" } },
      { data: { title: "second" } },
      { gap: { topic: "news", missed: null } },
      { data: { title: "third" } },
    ]);
  });

  test("subscribe.py ends with an error if it is refused", async () => {
    const { origin } = await serveGuide("subscribing");
    const url = `${origin}/live?topic=sports`;
    const args = [
      "-c",
      `import runpy, sys; sys.argv[1:] = [${JSON.stringify(url)}]
try: runpy.run_path(${JSON.stringify(join(guidesFolder, "subscribe.py"))})
except OSError as error: print(error)`,
    ];
    expect(await run(systemPath("python3"), args)).toBe("HTTP Error 404: Not Found\n");
  });
});

describe("publishing", () => {
  const put = (origin: string, id: string, title: string, revision = 1): Promise<Response> =>
    send("PUT", `${origin}/stories/${id}`, { title, revision });

  test("sends a Date as a string, with the event's name and key", async () => {
    const { origin } = await serveGuide("publishing");
    const follower = await (await Follower.fetch(`${origin}/live?topic=news`)).begun();
    const before = Date.now();
    await put(origin, "7", "Comet returns");
    await follower.has(1);
    const [message] = follower.items.filter(({ type }) => type === "message");
    const data = { id: "7", title: "Comet returns", at: expect.any(String) as string };
    expect(message).toMatchObject({ event: "story", key: "7", messageId: "7:1", data });
    const { at } = follower.data[0] as { at: string };
    expect(new Date(at).toISOString()).toBe(at);
    expect(Date.parse(at)).toBeGreaterThanOrEqual(before);
  });

  test("publishes a repeated request once, and an edit again", async () => {
    const { origin } = await serveGuide("publishing");
    const follower = await (await Follower.fetch(`${origin}/live?topic=news`)).begun();
    const [first, again] = [await put(origin, "7", "Comet returns"), await put(origin, "7", "Comet returns")];
    expect(await again.json()).toEqual(await first.json());
    await put(origin, "7", "Comet stays", 2);
    expect((await follower.has(2)).data).toMatchObject([{ title: "Comet returns" }, { title: "Comet stays" }]);
  });

  test("answers 400 to a message that is too large, and to an id that is too long", async () => {
    const { origin } = await serveGuide("publishing");
    const body = JSON.stringify({ title: "x".repeat(70_000) });
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${origin}/stories/7`, { method: "PUT", body, headers });
    expect([response.status, await response.json()]).toEqual([400, { code: "ERR_MESSAGE" }]);
    const long = await fetch(`${origin}/stories/${"7".repeat(201)}`, { method: "PUT", body: "{}", headers });
    expect([long.status, await long.json()]).toEqual([400, { code: "ERR_MESSAGE" }]);
  });
});

describe("authorization", () => {
  test("lets a signed-in user of Express choose among the user's topics until sign-out", async () => {
    const { origin } = await serveGuide("express-session");
    expect((await fetch(`${origin}/live?topic=news`)).status).toBe(401);
    const signIn = async (user: string): Promise<{ cookie: string }> => {
      const response = await send("POST", `${origin}/login`, { user });
      return { cookie: (response.headers.get("set-cookie") ?? "").split(";", 1).join() };
    };
    const [ada, bob] = [await signIn("ada"), await signIn("bob")];
    const live = `${origin}/live?topic=news&topic=user:`;
    expect((await fetch(`${origin}/live`, { headers: ada })).status).toBe(400);
    for (const url of [`${live}bob`, `${live}ada&topic=user:bob`]) {
      expect((await fetch(url, { headers: ada })).status).toBe(403);
    }
    const adas = await (await Follower.fetch(`${live}ada`, { headers: ada })).begun();
    const bobs = await (await Follower.fetch(`${origin}/live?topic=user:bob`, { headers: bob })).begun();
    expect(adas.open.states).toEqual({ news: "fresh", "user:ada": "fresh" });
    await send("POST", `${origin}/messages/bob`, { text: "for Bob" }, ada.cookie);
    await send("POST", `${origin}/messages/ada`, { text: "for Ada" }, bob.cookie);
    expect((await bobs.has(1)).data).toEqual(["for Bob"]);
    expect((await adas.has(1)).data).toEqual(["for Ada"]);
    await send("POST", `${origin}/logout`, {}, ada.cookie);
    expect((await adas.ended()).end).toMatchObject({ reason: "unauthorized", retryMs: null });
    expect((await fetch(`${live}ada`, { headers: ada })).status).toBe(401);
    expect(bobs.over).toBe(false);
  });

  test("ends the stream when Express's session expires, and then refuses its cookie", async () => {
    const { origin } = await serveGuide("express-session");
    const login = await send("POST", `${origin}/login`, { user: "ada" });
    const headers = { cookie: (login.headers.get("set-cookie") ?? "").split(";", 1).join() };
    const follower = await (await Follower.fetch(`${origin}/live?topic=user:ada`, { headers })).begun();
    vi.useFakeTimers({ toFake: ["Date"] });
    onTestFinished(() => void vi.useRealTimers());
    vi.setSystemTime(Date.now() + 3_600_000);
    expect((await follower.ended()).end).toMatchObject({ reason: "unauthorized", retryMs: 0 });
    expect((await fetch(`${origin}/live?topic=user:ada`, { headers })).status).toBe(401);
  });

  test("reads a token from a header or a cookie, and lets users follow their own topics", async () => {
    const { origin } = await serveGuide("tokens");
    const status = async (topic: string, headers: HeadersInit = {}): Promise<number> => {
      const response = await fetch(`${origin}/?topic=${topic}&wire=poll`, { headers });
      await response.body?.cancel();
      return response.status;
    };
    const byHeader = { authorization: "Bearer token-of-ada" };
    const byCookie = { cookie: "theme=dark; token=token-of-ada" };
    expect(await status("news")).toBe(401);
    expect(await status("news", { authorization: "Bearer wrong" })).toBe(401);
    for (const headers of [byHeader, byCookie]) {
      expect(await status("news", headers)).toBe(200);
      expect(await status("news&topic=user:ada", headers)).toBe(200);
      expect(await status("news&topic=user:bob", headers)).toBe(403);
    }
  });

  test("reads the user from Hono's context", async () => {
    const { origin } = await serveGuide("hono");
    expect((await fetch(`${origin}/live`)).status).toBe(401);
    const headers = { authorization: "Bearer token-of-ada" };
    const follower = await (await Follower.fetch(`${origin}/live`, { headers })).begun();
    expect(follower.open.states).toEqual({ news: "fresh", "user:ada": "fresh" });
  });
});

describe("slow subscribers", () => {
  /** A client that reads nothing for a while. Once it reads, it decodes what it gets. */
  class SlowClient {
    readonly items: WireItem[] = [];
    readonly #socket;

    constructor(port: number, query: string) {
      this.#socket = connect(port, "127.0.0.1");
      this.#socket.write(`GET /?wire=ndjson&${query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
      onTestFinished(() => void this.#socket.destroy());
    }

    read(): void {
      const decoder = new NdjsonDecoder({ onItem: (item) => this.items.push(item) });
      let rest: Buffer = Buffer.alloc(0);
      let isBody = false;
      this.#socket.on("data", (data) => {
        rest = Buffer.concat([rest, data]);
        const head = rest.indexOf("\r\n\r\n");
        if (!isBody && head !== -1) [isBody, rest] = [true, rest.subarray(head + 4)];
        for (let lineEnd = rest.indexOf("\r\n"); isBody && lineEnd !== -1; lineEnd = rest.indexOf("\r\n")) {
          const size = Number.parseInt(rest.subarray(0, lineEnd).toString(), 16);
          if (rest.length < lineEnd + 4 + size) break;
          decoder.feed(rest.subarray(lineEnd + 2, lineEnd + 2 + size));
          rest = rest.subarray(lineEnd + 4 + size);
        }
      });
    }

    get numbers(): number[] {
      return this.items.flatMap((item) => (item.type === "message" ? [(item.data as { n: number }).n] : []));
    }

    get missed(): number {
      return this.items.reduce((sum, item) => sum + (item.type === "gap" ? (item.missed ?? NaN) : 0), 0);
    }
  }

  /** Publishes until a subscriber lags by far more than its sockets hold. @returns how many. */
  async function flood(hub: Hub, topic: string): Promise<number> {
    const text = "x".repeat(50_000);
    for (let n = 1; n <= 1000; n += 1) await hub.topic(topic).publish({ n, text }, { key: `key ${n % 3}` });
    expect(hub.stats().lagging).toBe(1);
    return 1000;
  }

  async function slowClient(topic: string): Promise<{ hub: Hub; port: number; client: SlowClient; sent: number }> {
    const { exports, port } = await serveGuide("slow-subscribers");
    const hub = exports["hub"] as Hub;
    const client = new SlowClient(port, `topic=${topic}`);
    await until(() => hub.stats().connections === 1);
    return { hub, port, client, sent: await flood(hub, topic) };
  }

  test("resume: ends the stream with overflow, and begins the next one with a gap that counts the missed messages", async () => {
    const { client, port, sent } = await slowClient("orders");
    client.read();
    await until(() => client.items.at(-1)?.type === "end");
    const end = client.items.at(-1) as Extract<WireItem, { type: "end" }>;
    expect(end).toMatchObject({ reason: "overflow", retryMs: 0 });
    const next = new SlowClient(port, `topic=orders&lastEventId=${encodeURIComponent(end.position)}`);
    next.read();
    await until(() => next.numbers.at(-1) === sent);
    expect(next.items.slice(0, 2)).toMatchObject([{ type: "open", states: { orders: "gap" } }, { type: "gap" }]);
    expect(next.missed).toBeGreaterThan(0);
    expect(client.numbers.length + next.missed + next.numbers.length).toBe(sent);
  });

  test("skip: continues after a gap with the next published message", async () => {
    const { hub, client, sent } = await slowClient("camera");
    client.read();
    await until(() => client.missed > 0);
    await hub.topic("camera").publish({ n: sent + 1 });
    await until(() => client.numbers.at(-1) === sent + 1);
    expect(client.numbers.length + client.missed).toBe(sent + 1);
    expect(client.items.filter(({ type }) => type === "end")).toEqual([]);
  });

  test("latest: continues after a gap with the newest message of each key", async () => {
    const { client, sent } = await slowClient("prices");
    client.read();
    await until(() => client.numbers.at(-1) === sent);
    expect(client.numbers.slice(-3)).toEqual([sent - 2, sent - 1, sent]);
    expect(client.numbers.length + client.missed).toBe(sent);
    expect(client.missed).toBeGreaterThan(0);
  });
});

describe("shutting down", () => {
  test.each(["SIGTERM", "SIGINT"] as const)("%s ends every stream with drain, and then the process", async (signal) => {
    const port = String(await freePort());
    const { child } = start(process.execPath, [...onSources, join(guidesFolder, "shutdown.ts")], { PORT: port });
    const exited = once(child, "exit");
    const url = `http://127.0.0.1:${port}/?topic=news`;
    const follower = await eventually(() => Follower.fetch(url));
    await follower.begun();
    child.kill(signal);
    const { end } = await follower.ended();
    expect(end).toMatchObject({ reason: "drain", retryMs: expect.any(Number) as number });
    expect(end.retryMs).toBeLessThanOrEqual(6000);
    expect(await exited).toEqual([0, null]);
    await expect(fetch(url)).rejects.toThrow("fetch failed");
  });
});

describe("CORS and CSP", () => {
  test("lets signed-in users read from the listed origins, and from no others", async () => {
    const origins = ["https://app.example.com", "https://admin.example.com"];
    const { origin } = await serveGuide("cors", { ORIGINS: origins.join(",") });
    const signedIn = await send("POST", `${origin}/login`, { user: "ada" });
    const cookie = (signedIn.headers.get("set-cookie") ?? "").split(";", 1).join();
    const answer = async (method: string, headers: Record<string, string>): Promise<[number, Headers]> => {
      const response = await fetch(`${origin}/live?wire=poll`, { method, headers });
      await response.body?.cancel();
      return [response.status, response.headers];
    };
    const asks = { "access-control-request-method": "GET", "access-control-request-headers": "last-event-id" };
    for (const page of origins) {
      const [preflight, allowed] = await answer("OPTIONS", { origin: page, ...asks });
      const [refused, refusal] = await answer("GET", { origin: page });
      const [streamed, stream] = await answer("GET", { origin: page, cookie });
      expect([preflight, refused, streamed]).toEqual([204, 401, 200]);
      for (const headers of [allowed, refusal, stream]) {
        expect(headers.get("access-control-allow-origin")).toBe(page);
        expect(headers.get("access-control-allow-credentials")).toBe("true");
      }
      expect(allowed.get("access-control-allow-headers")).toBe("Authorization, Last-Event-ID");
      expect(allowed.get("access-control-allow-methods")).toBe("GET, HEAD");
    }
    const stranger = { origin: "https://example.net" };
    for (const [, headers] of [
      await answer("OPTIONS", { ...stranger, ...asks }),
      await answer("GET", stranger),
      await answer("GET", { ...stranger, cookie }),
    ]) {
      expect([...headers.keys()].filter((name) => name.startsWith("access-control-"))).toEqual([]);
    }
  });

  test("gives every script of the comet wire the nonce of its policy", async () => {
    const { origin } = await serveGuide("csp");
    const follower = await Follower.fetch(`${origin}/live?topic=news&from=oldest&wire=comet`);
    await follower.has(1);
    const policy = follower.response.headers.get("content-security-policy") ?? "";
    const [, nonce = ""] = /'nonce-([^']+)'/.exec(policy) ?? [];
    expect(policy).toBe(
      `default-src 'none'; script-src 'nonce-${nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'`,
    );
    expect(follower.text).toContain(`<script nonce="${nonce}">parent.cometMessage('Comet returns');</script>`);
    expect(follower.text.match(/<script/g)).toEqual(follower.text.match(/<script nonce=/g)?.map(() => "<script"));
  });
});

test("brokers: delivers a message of one process to a subscriber of the other", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const [one = "", other = ""] = await Promise.all(
    [1, 2].map(async () => {
      const env = { REDIS_URL: redis.url, PORT: String(await freePort()) };
      const { lines } = start(process.execPath, [...onSources, join(guidesFolder, "two-processes.mjs")], env);
      await until(() => lines().length === 1);
      return lines()[0] ?? "";
    }),
  );
  const follower = await (await Follower.fetch(`${one}/live?topic=news`)).begun();
  const response = await fetch(`${other}/news`, { method: "POST" });
  expect([response.status, await response.text()]).toEqual([200, expect.stringMatching(/^news=\S+\n$/)]);
  expect((await follower.has(1)).data).toEqual([{ from: `port ${new URL(other).port}` }]);
});

describe("monitoring", () => {
  test("writes every number of stats() in Prometheus's text format", async () => {
    const { origin } = await serveGuide("metrics");
    await (await Follower.fetch(`${origin}/?topic=news&wire=sse`)).begun();
    await fetch(origin);
    const response = await fetch(`${origin}/metrics`);
    const text = await response.text();
    for (const line of text.trimEnd().split("\n")) {
      expect(line).toMatch(/^(?:# TYPE comet_[a-z_]+ (?:gauge|counter)|comet_[a-z_]+(?:\{wire="[a-z]+"\})? \d+)$/);
    }
    expect(text).toContain('comet_connections{wire="sse"} 1\n');
    expect(text).toContain("comet_opened_total 1\n");
    expect(text).toContain("comet_rejected_total 1\n");
    const { broker: _broker, byWire: _byWire, connections: _connections, ...numbers } = new Hub().stats();
    for (const name of Object.keys(numbers)) {
      const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      expect(text).toMatch(new RegExp(`^comet_${snake}(?:_total)? \\d+$`, "m"));
    }
  });
});

test("testing: passes the tests of the guide", async () => {
  const output = await run(process.execPath, [
    ...onSources,
    "--test",
    "--test-reporter=tap",
    join(guidesFolder, "orders.test.ts"),
  ]);
  expect(output).toMatch(/^# pass 3$/m);
});
