import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { describe, expect, onTestFailed, onTestFinished, test } from "vitest";
import { drainOnSignal } from "../../../../src/adapters/node/index.ts";
import { Hub } from "../../../../src/index.ts";
import { Follower } from "../../../support/hub.ts";
import { onSources } from "../../../support/on-sources.ts";
import { root } from "../../../support/run.ts";
import { expectCode, until } from "../../../support/sources.ts";

/** A program with a hub, a server and `drainOnSignal`. Its server never answers `/slow`. */
const program = (call: string, hubOptions = ""): string => `
  import { createServer } from "node:http";
  import { Hub } from "comet-sockets";
  import { drainOnSignal, nodeHandler } from "comet-sockets/node";
  const hub = new Hub({${hubOptions}});
  const live = nodeHandler(hub);
  const server = createServer((request, response) => {
    if (request.url === "/slow") console.log("slow");
    else if (request.url === "/quick") response.end("quick");
    else void live(request, response);
  });
  ${call}
  server.listen(0, "127.0.0.1", () => console.log("http://127.0.0.1:" + server.address().port));`;

/** Runs a program until the test is over. */
async function start(code: string) {
  const args = [...onSources, "--input-type=module", "-e", code];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  const exited = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  const lines: string[] = [];
  let errors = "";
  child.stderr.on("data", (data) => (errors += String(data)));
  createInterface(child.stdout).on("line", (line) => lines.push(line));
  onTestFinished(() => void child.kill("SIGKILL"));
  onTestFailed(() => console.error(errors));
  await until(() => lines.length > 0 || child.exitCode !== null, 60_000);
  const [origin = ""] = lines;
  return { child, exited, lines, origin, follow: () => Follower.fetch(`${origin}/?topic=a&wire=ndjson`) };
}

describe("drainOnSignal", () => {
  test.each(["SIGTERM", "SIGINT"] as const)(
    "ends the streams on %s, then closes the server, and the process ends with code 0",
    async (signal) => {
      const call = `
        const { close } = server;
        server.close = (done) => {
          console.log("closing with", hub.stats().connections);
          return close.call(server, done);
        };
        drainOnSignal(hub, server, { drainMs: 100, onDrained: () => console.log("drained", server.listening) });`;
      const { child, exited, lines, origin, follow } = await start(program(call));
      // Its connection stays open, idle.
      await (await fetch(`${origin}/quick`)).text();
      const follower = await (await follow()).begun();
      child.kill(signal);
      expect((await follower.ended()).end).toMatchObject({ reason: "drain" });
      expect(await exited).toEqual([0, null]);
      expect(lines.slice(1)).toEqual(["closing with 0", "drained false"]);
    },
  );

  test.each([
    ["SIGTERM", "SIGTERM", 143],
    ["SIGTERM", "SIGINT", 130],
  ] as const)("%s, then %s during the drain end the process with code %i", async (first, second, code) => {
    const { child, exited, origin, follow } = await start(program("drainOnSignal(hub, server, { drainMs: 600_000 });"));
    await (await follow()).begun();
    await (await follow()).begun();
    child.kill(first);
    // The hub refuses, and the server still accepts.
    for (let status = 0; status !== 503;) {
      ({ status } = await fetch(`${origin}/?topic=a`, { method: "HEAD" }));
    }
    child.kill(second);
    expect(await exited).toEqual([code, null]);
  });

  test("closes the connection of a request that is not answered, after closeTimeoutMs", async () => {
    const { child, exited, lines, origin } = await start(
      program("drainOnSignal(hub, server, { drainMs: 0, closeTimeoutMs: 1 });"),
    );
    const socket = connect(Number(new URL(origin).port), "127.0.0.1").on("error", () => undefined);
    socket.write("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    await until(() => lines.includes("slow"));
    child.kill("SIGTERM");
    await once(socket, "close");
    expect(await exited).toEqual([0, null]);
  });

  test("closes a connection that becomes idle only after the server has begun to close", async () => {
    const call = `
      server.keepAliveTimeout = 600_000;
      server.on("request", (request, response) => {
        if (request.url === "/slow") process.once("SIGUSR2", () => response.end("slow"));
      });
      const { close } = server;
      server.close = (done) => {
        const closing = close.call(server, done);
        console.log("closing");
        return closing;
      };
      drainOnSignal(hub, server, { drainMs: 0, closeTimeoutMs: 600_000 });`;
    const { child, exited, lines, origin } = await start(program(call));
    const socket = connect(Number(new URL(origin).port), "127.0.0.1");
    socket.write("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    await until(() => lines.includes("slow"));
    child.kill("SIGTERM");
    await until(() => lines.includes("closing"));
    child.kill("SIGUSR2");
    expect(await exited).toEqual([0, null]);
  });

  test("has no effect once it is undone: the signal kills the process", async () => {
    const { child, exited } = await start(program("drainOnSignal(hub, server)();"));
    child.kill("SIGTERM");
    expect(await exited).toEqual([null, "SIGTERM"]);
  });

  test("reports an error of onDrained to onError", async () => {
    const call = `drainOnSignal(hub, server, { drainMs: 0, onDrained: () => { throw new Error("pool"); } });`;
    const { child, exited, lines } = await start(program(call, "onError: ({ message }) => console.log(message)"));
    child.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);
    expect(lines.slice(1)).toEqual(["pool"]);
  });

  test("closes the servers of all calls for a hub, which share one listener", async () => {
    const listeners = (): number => process.listenerCount("SIGUSR2");
    const before = listeners();
    const [hub, other] = [new Hub(), new Hub()];
    const servers = [createServer(), createServer()];
    for (const server of servers) await once(server.listen(0, "127.0.0.1"), "listening");
    onTestFinished(() => servers.forEach((server) => server.close()));
    const undo = [...servers, ...servers].map((server) => drainOnSignal(hub, server, { signals: ["SIGUSR2"] }));
    expect(listeners()).toBe(before + 1);
    undo.push(drainOnSignal(other, undefined, { signals: ["SIGUSR2"] }));
    expect(listeners()).toBe(before + 2);
    for (const one of undo.slice(1)) one();
    expect(listeners()).toBe(before + 1);
    const again = drainOnSignal(hub, servers[1], { signals: ["SIGUSR2"], drainMs: 0 });
    const closed = servers.map((server) => once(server, "close"));
    process.emit("SIGUSR2", "SIGUSR2");
    await Promise.all(closed);
    again();
    expect(servers.map(({ listening }) => listening)).toEqual([false, false]);
    process.removeAllListeners("SIGUSR2");
  });

  test.each([
    [{ drainMs: -1 }, /drainMs/],
    [{ closeTimeoutMs: 0.5 }, /closeTimeoutMs/],
    [{ signals: [] }, /signals/],
    [{ signals: ["SIGNONE"] }, /SIGNONE/],
    [{ onDrained: 7 }, /onDrained/],
  ])("refuses %j, and adds no listener", async (options, message) => {
    const before = process.listenerCount("SIGTERM");
    await expectCode("ERR_OPTION", () => drainOnSignal(new Hub(), undefined, options as never), message);
    await expectCode("ERR_OPTION", () => drainOnSignal(new Hub(), {} as never), /method close/);
    expect(process.listenerCount("SIGTERM")).toBe(before);
  });
});
