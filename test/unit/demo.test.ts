import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { root } from "../support/run.ts";
import { useDemo } from "../support/demo.ts";
import { until } from "../support/sources.ts";

const demo = useDemo();

const scripts = ["kiki", "foo", "bar", "end"].map((event) => `<script>console.log('${event}')</script>`);

/** The resources that a build makes, with packages in them. */
const bundles: ReadonlySet<string> = new Set(["/client.global.js", "/ai-chat.js"]);

/** A page with all its own resources, without the bundles. */
const MAX_PAGE_BYTES = 24 * 1024;

describe("the four streams", () => {
  test.each([
    ["manual", scripts.join("")],
    ["enumeratee", scripts.join("")],
  ])("%s sends exactly its scripts", async (name, body) => {
    const response = await fetch(`${demo.origin}/comet/${name}?delay=0`);
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(await response.text()).toBe(body);
  });

  test.each([
    ["helper", "console.log"],
    ["iframe", "parent.cometMessage"],
  ])("%s sends 5 KiB of padding and its scripts, with the nonce of its policy", async (name, callback) => {
    const response = await fetch(`${demo.origin}/comet/${name}?delay=0`);
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    const nonce = /'nonce-(.*?)'/.exec(response.headers.get("content-security-policy") ?? "")?.[1] ?? "";
    const events = ["kiki", "foo", "bar", "end"].map(
      (event) => `<script nonce="${nonce}">${callback}('${event}');</script>`,
    );
    expect(await response.text()).toBe(`${" ".repeat(5120)}<html><body>${events.join("")}`);
    expect(nonce.length).toBeGreaterThan(20);
  });

  test("waits for the delay between the events", async () => {
    const start = performance.now();
    const response = await fetch(`${demo.origin}/comet/manual?delay=50`);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe(scripts[0]);
    while (!(await reader.read()).done);
    expect(performance.now() - start).toBeGreaterThan(140);
  });

  test.each(["-1", "10001", "1.5", "x", "", "1&delay=2"])("refuses a delay of %s", async (delay) => {
    const response = await fetch(`${demo.origin}/comet/helper?delay=${delay}`);
    expect(response.status).toBe(400);
    expect(await response.text()).toMatch(/from 0 to 10000/);
  });
});

/** Requests a path with a Host of one's own, or none, and returns the status line. */
async function statusFor(path: string, host: string | undefined): Promise<string> {
  const socket = connect(demo.port, "127.0.0.1");
  const lines =
    host === undefined ? "GET / HTTP/1.0" : `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nOrigin: http://${host}`;
  socket.write(`${lines}\r\nConnection: close\r\n\r\n`);
  const [first] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return first.toString().split("\r\n")[0] ?? "";
}

describe("the host check, against pages whose name resolves to this machine", () => {
  test.each(["/", "/live?topic=chat&wire=ndjson", "/comet/manual?delay=0", "/machine/about", "/none"])(
    "refuses %s for any other host",
    async (path) => {
      const { port } = demo;
      const hosts = [
        "evil.example",
        `evil.example:${port}`,
        `localhost.evil.example:${port}`,
        "localhost:1",
        "localhost",
      ];
      const more = [
        `127.0.0.1.nip.io:${port}`,
        `localhost:${port}:${port}`,
        `user@localhost:${port}`,
        `127.0.0.2:${port}`,
      ];
      for (const host of [...hosts, ...more])
        expect([host, await statusFor(path, host)]).toEqual([host, expect.stringMatching(/ 4(?:21|00) /)]);
    },
  );

  test("answers each name of this machine", async () => {
    for (const name of ["localhost", "LocalHost", "127.0.0.1", "[::1]"]) {
      expect(await statusFor("/", `${name}:${demo.port}`)).toMatch(/ 200 /);
    }
  });

  test("refuses a request without a host", async () => {
    expect(await statusFor("/", undefined)).toMatch(/ 421 /);
  });
});

/** The resources that a page or one of its scripts loads. */
function partsIn(text: string): readonly string[] {
  const attributes = text.matchAll(/(?:src|href)="(\/[\w.-]+\.(?:js|css|svg))"/g);
  const imports = text.matchAll(/^import .* from "\.(\/[\w-]+\.js)";$/gm);
  return [...attributes, ...imports].map(([, path = ""]) => path);
}

describe("every page", () => {
  test.each([
    "/",
    "/iframe",
    "/clock",
    "/machine",
    "/network",
    "/chat",
    "/job",
    "/job/iframe",
    "/answer",
    "/ai-chat/ada:00000000-0000-4000-8000-000000000000",
  ])("%s has a strict policy and a small size", async (path) => {
    const response = await fetch(demo.origin + path);
    expect(response.status).toBe(200);
    const policy = response.headers.get("content-security-policy") ?? "";
    expect(policy).toMatch(/^default-src 'none';.*frame-ancestors 'none'$/);
    expect(policy).not.toMatch(/unsafe|\*|data:|https?:/);
    let bytes = Number(response.headers.get("content-length"));
    const parts = new Set(partsIn(await response.text()));
    // The loop also visits entries added while it runs.
    for (const file of parts) {
      const part = await fetch(demo.origin + file);
      expect(part.status).toBe(200);
      const text = await part.text();
      if (!bundles.has(file)) bytes += Buffer.byteLength(text);
      for (const further of partsIn(text)) parts.add(further);
    }
    expect(bytes).toBeLessThan(MAX_PAGE_BYTES);
    // Each page with a stream has the client. That of examples/answer has no script of the demo's.
    const users = ["/connection.js", "/network.js", "/job-client.js", "/answer.js"];
    expect(parts.has("/client.global.js")).toBe(users.some((user) => parts.has(user)));
  });

  test("serves no other path and no other method", async () => {
    for (const path of [
      "/x",
      "/chat.html",
      "/comet/machine",
      "/../package.json",
      "/%2e%2e/package.json",
      "//machine",
      "/pages/index.html",
    ]) {
      expect((await fetch(demo.origin + path)).status).toBe(404);
    }
    const post = await fetch(demo.origin, { method: "POST" });
    expect([post.status, post.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });

  test.each(["/", "/machine", "/machine/about", "/comet/manual", "/comet/iframe", "/live?topic=machine"])(
    "answers HEAD %s without a body",
    async (path) => {
      const response = await fetch(demo.origin + path, { method: "HEAD" });
      expect([response.status, await response.text()]).toEqual([200, ""]);
    },
  );
});

test("only the demo's own pages start and cancel exports", async () => {
  const send = (method: string, site: string, id = ""): Promise<Response> =>
    fetch(`${demo.origin}/exports?id=${id}`, { method, headers: { "sec-fetch-site": site } });
  expect((await send("POST", "cross-site")).status).toBe(403);
  const { id } = (await (await send("POST", "same-origin")).json()) as { id: string };
  expect((await send("DELETE", "same-site", id)).status).toBe(403);
  expect((await send("GET", "none", id)).status).toBe(409);
  expect((await send("DELETE", "same-origin", id)).status).toBe(204);
  const stream = await (await fetch(`${demo.origin}/live?topic=job:${id}`)).text();
  expect(stream).toMatch(/^{"ended":{.*"outcome":"stopped".*}}$/m);
});

describe("the bad network", () => {
  const page = "00000000-0000-4000-8000-000000000000";
  const set = (body: unknown, site = "same-origin"): Promise<Response> =>
    fetch(`${demo.origin}/network/faults`, {
      method: "POST",
      headers: { "sec-fetch-site": site },
      body: JSON.stringify(body),
    });
  const follow = (query = `page=${page}`, init?: RequestInit): Promise<Response> =>
    fetch(`${demo.origin}/network/live?topic=chat&wire=poll&wait=0&${query}`, init);

  test("passes everything on until its page asks for a fault", async () => {
    const [direct, passed] = [await fetch(`${demo.origin}/live?topic=chat&wire=poll&wait=0`), await follow()];
    expect(passed.headers.get("content-type")).toBe(direct.headers.get("content-type"));
    expect(await passed.text()).toBe(await direct.text());
    expect((await follow(undefined, { method: "HEAD" })).status).toBe(200);
  });

  test("refuses requests while the server is away, for that page only", async () => {
    const other = page.replaceAll("8", "9");
    expect(await (await set({ page, down: true })).json()).toEqual({ delayMs: 0, stalled: false, down: true });
    expect([(await follow()).status, (await follow(`page=${other}`)).status]).toEqual([502, 200]);
    await set({ page, down: false });
    expect((await follow()).status).toBe(200);
  });

  test("delivers nothing of a stalled connection until it is resumed", async () => {
    await set({ page, stalled: true });
    const order: string[] = [];
    const answer = follow().then(() => order.push("answered"));
    // Through the same server, so the answer above would be there by now.
    for (let i = 0; i < 20; i += 1) await (await fetch(`${demo.origin}/live?topic=chat&wire=poll&wait=0`)).text();
    order.push("resumed");
    await set({ page, stalled: false });
    await answer;
    expect(order).toEqual(["resumed", "answered"]);
  });

  test("cuts the connections that are open", async () => {
    const { body } = await fetch(`${demo.origin}/network/live?topic=chat&page=${page}`);
    const reader = (body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    await set({ page, cut: true });
    await expect(reader.read().then(() => reader.read())).rejects.toThrow();
  });

  test("delays what arrives", async () => {
    await set({ page, delayMs: 60 });
    const start = performance.now();
    await (await follow()).text();
    expect(performance.now() - start).toBeGreaterThan(59);
    await set({ page, delayMs: 0 });
  });

  test("takes faults only from its own pages, and only valid ones", async () => {
    expect((await set({ page, cut: true }, "cross-site")).status).toBe(403);
    for (const body of [{}, { page: "x" }, { page, delayMs: -1 }, { page, delayMs: 10_001 }, { page, delayMs: "1" }])
      expect((await set(body)).status).toBe(400);
    expect((await follow("page=x")).status).toBe(400);
  });
});

describe("the program", () => {
  const folder = mkdtempSync(join(tmpdir(), "comet-sockets-demo-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  async function start(
    port: string,
    cwd = root,
    file = join(mkdtempSync(join(folder, "run-")), "comet.db"),
  ): Promise<{
    output: () => string;
    errors: () => string;
    ended: Promise<number | null>;
    stop: (signal: NodeJS.Signals) => void;
  }> {
    // The compiled package is what `npm run demo` runs; the tests build it before.
    const child = spawn(process.execPath, [join(cwd, "demo/main.ts")], {
      env: { ...process.env, PORT: port, DEMO_FILE: file },
      cwd,
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    let output = "";
    let errors = "";
    child.stdout.on("data", (data) => (output += String(data)));
    child.stderr.on("data", (data) => (errors += String(data)));
    const ended = once(child, "close").then(([code]) => code as number | null);
    await Promise.race([until(() => output.includes("\n")), ended]);
    return { output: () => output, errors: () => errors, ended, stop: (signal) => void child.kill(signal) };
  }

  test.each(["SIGINT", "SIGTERM"] as const)(
    "reports when it is ready, and stops on %s with streams open",
    async (signal) => {
      const { output, errors, ended, stop } = await start("0");
      expect(output()).toMatch(/^ready http:\/\/127\.0\.0\.1:\d+\n$/);
      const address = output().slice(6).trim();
      const live = await fetch(`${address}/live?topic=machine`);
      const stream = await fetch(`${address}/comet/helper?delay=10000`);
      const broken = stream.text().catch(() => "broken off");
      stop(signal);
      expect(await ended).toBe(0);
      expect(await live.text()).toMatch(/^{"end":{"reason":"drain",.*}}\n$/m);
      expect(await broken).toBe("broken off");
      expect(errors()).toBe("");
    },
  );

  test.each(["SIGTERM", "SIGKILL"] as const)(
    "keeps the chat and its readers' places over a restart (%s)",
    async (signal) => {
      const file = join(mkdtempSync(join(folder, "run-")), "comet.db");
      const first = await start("0", root, file);
      const send = async (origin: string, text: string): Promise<string> => {
        const body = JSON.stringify({ name: "Ada", text, messageId: text });
        const response = await fetch(`${origin}/chat/messages`, { method: "POST", body });
        return ((await response.json()) as { id: string }).id;
      };
      const origin = first.output().slice(6).trim();
      const place = await send(origin, "one");
      await send(origin, "two");
      first.stop(signal);
      await first.ended;
      const second = await start("0", root, file);
      const again = second.output().slice(6).trim();
      const query = `topic=chat&wire=poll&lastEventId=${encodeURIComponent(place)}`;
      const answer = await (await fetch(`${again}/live?${query}`)).text();
      expect(answer).toContain('"states":{"chat":"recovered"}');
      expect(answer).toContain('"text":"two"');
      expect(answer).not.toContain('"text":"one"');
      second.stop("SIGTERM");
      expect(await second.ended).toBe(0);
    },
  );

  test("does not touch a file of another program", async () => {
    const file = join(folder, "notes.txt");
    writeFileSync(file, "Buy milk. ".repeat(100));
    const { output, errors, ended } = await start("0", root, file);
    expect([await ended, output()]).toEqual([1, ""]);
    expect(errors()).toContain(file);
    expect(readFileSync(file, "utf8")).toBe("Buy milk. ".repeat(100));
  });

  test.each([
    ["SIGINT, as from a terminal, to all its processes", "SIGINT", -1],
    ["SIGTERM to npm alone", "SIGTERM", 1],
  ] as const)("stops on %s under npm run demo", async (_, signal, sign) => {
    const env = { ...process.env, PORT: "0", DEMO_FILE: join(folder, "npm.db") };
    const options = { env, cwd: root, detached: true };
    const npm = spawn("npm", ["run", "--silent", "--ignore-scripts", "demo"], options);
    onTestFinished(() => {
      try {
        process.kill(-(npm.pid ?? NaN), "SIGKILL");
      } catch {
        // They have all gone, as they should.
      }
    });
    let output = "";
    npm.stdout.on("data", (data) => (output += String(data)));
    const closed = once(npm, "close");
    await until(() => output.includes("ready"));
    const address = output.slice(output.indexOf("http")).trim();
    expect((await fetch(address)).status).toBe(200);
    process.kill(sign * (npm.pid ?? NaN), signal);
    // Its output closes when the last process that holds it, the demo, has exited.
    await closed;
    await expect(fetch(address)).rejects.toThrow();
  });

  test.each([
    ["x", /PORT must be a whole number/],
    ["65536", /PORT must be a whole number/],
    ["-1", /PORT must be a whole number/],
  ])("reports an error for PORT=%s", async (port, message) => {
    const { output, errors, ended } = await start(port);
    expect([await ended, output()]).toEqual([1, ""]);
    expect(errors()).toMatch(message);
  });

  test("prints instructions when the client that its pages load has not been built", async () => {
    const folder = mkdtempSync(join(tmpdir(), "comet-sockets-demo-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const isClient = (path: string): boolean => path.includes("client.global.js");
    for (const part of ["demo", "dist", "examples", "package.json"]) {
      cpSync(join(root, part), join(folder, part), { recursive: true, filter: (path) => !isClient(path) });
    }
    const { output, errors, ended } = await start("0", folder);
    expect([await ended, output()]).toEqual([1, ""]);
    expect(errors()).toContain("There is no dist/client.global.js yet: run npm run build.");
  });

  test("reports when its port is in use", async () => {
    const { errors, ended } = await start(String(demo.port));
    expect(await ended).toBe(1);
    expect(errors()).toMatch(/^Port \d+ is in use/);
  });
});
