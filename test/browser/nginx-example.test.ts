import { readFileSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { get, type IncomingMessage, type OutgoingHttpHeaders } from "node:http";
import { connect, type ClientHttp2Session } from "node:http2";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { createGunzip } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { MemoryBrokers } from "../../src/brokers/memory/index.ts";
import { serveHub, streams } from "../support/hub.ts";
import { runNginx } from "../support/nginx.ts";
import { root } from "../support/run.ts";
import { certificate } from "../support/servers.ts";

/** Runs nginx as examples/nginx.conf has it, before two processes on other ports, and connects to it by HTTP/2. */
async function connectThroughExample(upstreams: readonly [string, string]): Promise<ClientHttp2Session> {
  const { key, cert } = certificate();
  const port = await runNginx((listen, folder) => {
    writeFileSync(join(folder, "key.pem"), key);
    writeFileSync(join(folder, "cert.pem"), cert);
    return replaced(readFileSync(join(root, "examples/nginx.conf"), "utf8"), {
      "127.0.0.1:4000": upstreams[0],
      "127.0.0.1:4001": upstreams[1],
      "listen 443 ": `listen ${listen} `,
      "/etc/ssl/certs/example.com.pem": join(folder, "cert.pem"),
      "/etc/ssl/private/example.com.key": join(folder, "key.pem"),
    });
  });
  const session = connect(`https://127.0.0.1:${port}`, { ca: cert, checkServerIdentity: () => undefined });
  onTestFinished(() => session.destroy());
  return session;
}

function replaced(text: string, replacements: Readonly<Record<string, string>>): string {
  return Object.entries(replacements).reduce((before, [from, to]) => {
    expect(before.split(from), from).toHaveLength(2);
    return before.replace(from, to);
  }, text);
}

type Lines = NodeJS.AsyncIterator<string>;

/** The lines of a stream of ndjson. */
function follow(session: ClientHttp2Session, query: string, headers: OutgoingHttpHeaders = {}): Lines {
  const lines: Interface = createInterface(session.request({ ":path": `/live?wire=ndjson&${query}`, ...headers }));
  return lines[Symbol.asyncIterator]();
}

async function next(lines: Lines): Promise<Record<string, unknown>> {
  const { value } = await lines.next();
  return JSON.parse(value ?? "null") as Record<string, unknown>;
}

test("examples/nginx.conf passes a dozen streams on over one HTTP/2 connection, each message at once, from two processes", async () => {
  const memory = new MemoryBrokers();
  const servers = [await serveHub({ broker: memory.join() }), await serveHub({ broker: memory.join() })] as const;
  const [first, second] = servers;
  const session = await connectThroughExample([new URL(first.origin).host, new URL(second.origin).host]);
  const streams = Array.from({ length: 12 }, () => follow(session, "topic=a"));
  for (const lines of streams) expect(await next(lines)).toMatchObject({ open: { states: { a: "fresh" } } });
  expect(first.opened.length).toBe(6);
  expect(second.opened.length).toBe(6);
  for (let i = 1; i <= 5; i += 1) {
    await first.hub.topic("a").publish(i);
    for (const lines of streams) expect(await next(lines)).toMatchObject({ data: i });
  }
});

test("examples/nginx.conf resumes a stream on the other process", async () => {
  const memory = new MemoryBrokers();
  const servers = [await serveHub({ broker: memory.join() }), await serveHub({ broker: memory.join() })] as const;
  const [first, second] = servers;
  const session = await connectThroughExample([new URL(first.origin).host, new URL(second.origin).host]);
  const position = await first.hub.topic("a").publish("seen");
  await first.hub.topic("a").publish("missed");
  const query = `topic=a&lastEventId=${encodeURIComponent(position)}`;
  for (const lines of [follow(session, query), follow(session, query)]) {
    expect(await next(lines)).toMatchObject({ open: { states: { a: "recovered" } } });
    expect(await next(lines)).toMatchObject({ data: "missed" });
  }
  expect([first.opened.length, second.opened.length]).toEqual([1, 1]);
});

test("examples/nginx.conf adds the client's address, and removes a header in which the client writes one", async () => {
  const seen: (string | null)[] = [];
  const { origin } = await serveHub({
    authorize: ({ headers }) => {
      for (const name of ["x-forwarded-for", "forwarded", "x-forwarded-proto"]) seen.push(headers.get(name));
      return true;
    },
  });
  const { host } = new URL(origin);
  const session = await connectThroughExample([host, host]);
  const forged = { "x-forwarded-for": "203.0.113.7", forwarded: "for=203.0.113.7", "x-forwarded-proto": "http" };
  expect(await next(follow(session, "topic=a", forged))).toMatchObject({ open: {} });
  expect(seen).toEqual(["203.0.113.7, 127.0.0.1", null, "https"]);
});

test.each(streams)("nginx that compresses flushes each message on %s", async (wire) => {
  const server = await serveHub();
  const port = await runNginx(
    (listen) => `events {}
http {
  gzip on;
  gzip_types *;
  server { listen ${listen}; location / { proxy_pass ${server.origin}; } }
}
`,
  );
  const asked = get(`http://127.0.0.1:${port}/?topic=a&wire=${wire}`, { headers: { "accept-encoding": "gzip" } });
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  onTestFinished(() => void response.destroy());
  expect(response.headers["content-encoding"]).toBe("gzip");
  const text = response.pipe(createGunzip()).setEncoding("utf8");
  for (let i = 1; i <= 5; i += 1) {
    await server.hub.topic("a").publish(`message ${i}`);
    for await (const piece of text.iterator({ destroyOnReturn: false }))
      if (String(piece).includes(`message ${i}`)) break;
  }
});
