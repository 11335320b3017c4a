/** Compressed streams over each protocol, read by clients that share no code with the hub. */
import { spawn } from "node:child_process";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import { constants, createGunzip } from "node:zlib";
import compression from "compression";
import express from "express";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { nodeHandler } from "../../../../src/adapters/node/index.ts";
import { gunzip } from "../../../support/gunzip.ts";
import { notedHub, serveHub, streams, type HubServer } from "../../../support/hub.ts";
import { RawRequest, serve, type Protocol } from "../../../support/servers.ts";
import { until } from "../../../support/sources.ts";
import { ensureSystemPackages, systemPath } from "../../../support/system-packages.ts";

beforeAll(() => ensureSystemPackages(["curl", "python3"]));

/** A client that inflates what it receives, and checks the end. */
class Client {
  coding: unknown;
  text = "";
  over = false;
  error: unknown;

  read(coding: unknown, stream: NodeJS.ReadableStream): void {
    this.coding = coding;
    const inflated = stream.pipe(createGunzip({ flush: constants.Z_SYNC_FLUSH }));
    inflated.on("data", (data: Buffer) => (this.text += data.toString()));
    inflated.on("error", (error) => (this.error = error));
    inflated.on("end", () => (this.over = true));
  }
}

function open(protocol: Protocol, { origin }: HubServer, path: string): Client {
  const client = new Client();
  const headers = { "accept-encoding": "gzip" };
  if (protocol === "http" || protocol === "https") {
    const { get } = protocol === "http" ? http : https;
    get(`${origin}${path}`, { headers, rejectUnauthorized: false, agent: false }, (response) =>
      client.read(response.headers["content-encoding"], response),
    );
  } else {
    const session = http2.connect(origin, { rejectUnauthorized: false });
    onTestFinished(() => session.destroy());
    const request = session.request({ ":path": path, ...headers });
    request.on("response", (head) => client.read(head["content-encoding"], request));
  }
  return client;
}

const message = (i: number): string => `message ${i} of many, all of which are much alike`;

describe.each<Protocol>(["http", "https", "http2", "http2 over TLS"])("over %s", (protocol) => {
  test.each(streams)("sends each message at once on %s, and a whole member", async (wire) => {
    const server = await serveHub({ compression: true }, protocol);
    await server.hub.topic("a").publish(message(0));
    const client = open(protocol, server, `/?topic=a&wire=${wire}&from=oldest`);
    for (let i = 0; i < 10; i += 1) {
      await until(() => client.text.includes(message(i)));
      await server.hub.topic("a").publish(message(i + 1));
    }
    const late = open(protocol, server, `/?topic=a&wire=${wire}`);
    await until(() => server.opened.length === 2);
    await server.hub.topic("a").publish("for both");
    await until(() => late.text.includes("for both"));
    await server.hub.close({ drainMs: 0 });
    await until(() => client.over && late.over);
    expect([client.coding, client.error, late.error]).toEqual(["gzip", undefined, undefined]);
    expect(client.text.match(/message \d+/g)).toEqual(Array.from({ length: 11 }, (_, i) => `message ${i}`));
    expect(server.hub.stats().compression?.packed).toBeGreaterThan(0);
  });
});

test.each([true, false])(
  "a pass is one chunk of the chunked coding, detached from the response: %s",
  async (detach) => {
    const server = await serveHub({ compression: true }, "http", { detach });
    const raw = RawRequest.get(server.port, "/?topic=a&wire=ndjson", "Accept-Encoding: gzip\r\n");
    await raw.has(1);
    for (let i = 0; i < 5; i += 1) {
      await server.hub.topic("a").publish(message(i));
      await raw.has(i + 2);
    }
    await server.hub.close({ drainMs: 0 });
    await raw.over();
    expect(raw.head.toLowerCase()).toContain("content-encoding: gzip");
    const member = Buffer.from(raw.chunks.map(({ text }) => text).join(""), "latin1");
    expect(
      gunzip(member)
        .toString()
        .match(/message \d+/g),
    ).toHaveLength(5);
  },
);

test("a middleware that compresses leaves a compressed stream alone", async () => {
  const noted = notedHub({ compression: true });
  const app = express().use(compression()).get("/live", nodeHandler(noted.hub));
  const server = await serve(
    (response) => void app(response.req as http.IncomingMessage, response as http.ServerResponse),
  );
  const client = open("http", { ...noted, ...server } as HubServer, "/live?topic=a&wire=sse");
  await until(() => noted.opened.length === 1);
  await noted.hub.topic("a").publish(message(1));
  await until(() => client.text.includes(message(1)));
  await noted.hub.close({ drainMs: 0 });
  await until(() => client.over);
  expect(client.coding).toBe("gzip");
});

test("a Content-Encoding that the application has set on the response is left alone", async () => {
  const noted = notedHub({ compression: true });
  const { port } = await serve((response) => {
    response.setHeader("content-encoding", "identity");
    void nodeHandler(noted.hub)(response.req, response);
  });
  const raw = RawRequest.get(port, "/?topic=a&wire=ndjson", "Accept-Encoding: gzip\r\n");
  await raw.has(1);
  expect(raw.head).toMatch(/^content-encoding: identity$/im);
  expect(raw.texts[0]).toMatch(/^\{"open":/);
});

/** Runs a program until the test is over, and returns the text that it has printed so far. */
function run(
  program: string,
  args: readonly string[],
): { readonly output: () => string; readonly exit: Promise<number | null> } {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (data: Buffer) => (output += data.toString()));
  onTestFinished(() => void child.kill("SIGKILL"));
  return { output: () => output, exit: new Promise((resolve) => child.on("exit", resolve)) };
}

const PYTHON = `
import sys, urllib.request, zlib
request = urllib.request.Request(sys.argv[1], headers={"Accept-Encoding": "gzip"})
member = zlib.decompressobj(31)
with urllib.request.urlopen(request) as response:
    assert response.headers["Content-Encoding"] == "gzip"
    while data := response.read1(65536):
        sys.stdout.write(member.decompress(data).decode())
        sys.stdout.flush()
assert member.eof and member.unused_data == b""
`;

describe.each([
  ["curl", (url: string) => ["--silent", "--no-buffer", "--compressed", url]],
  ["python3", (url: string) => ["-c", PYTHON, url]],
] as const)("%s", (name, argsOf) => {
  test.each(streams)("prints each message of a compressed stream on %s at once, and accepts its end", async (wire) => {
    const server = await serveHub({ compression: true });
    const { output, exit } = run(systemPath(name), argsOf(`${server.origin}/?topic=a&wire=${wire}`));
    await until(() => server.opened.length === 1);
    for (let i = 0; i < 5; i += 1) {
      await server.hub.topic("a").publish(message(i));
      await until(() => output().includes(message(i)));
    }
    await server.hub.close({ drainMs: 0 });
    expect(await exit).toBe(0);
    expect(server.hub.stats().compression?.packed).toBeGreaterThan(0);
  });
});
