import { connect } from "node:http2";
import { connect as openSocket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { nodeHandler } from "../../../../src/adapters/node/index.ts";
import type { HubRequest } from "../../../../src/index.ts";
import { isLeft, notedHub, problemOf, serveHub } from "../../../support/hub.ts";
import { serve } from "../../../support/servers.ts";
import { until } from "../../../support/sources.ts";

describe("the address of a request", () => {
  test("is that of the socket, and limits connections and requests", async () => {
    const seen: (string | undefined)[] = [];
    const server = await serveHub({
      maxConnectionsPerAddress: 1,
      authorize: ({ address }: HubRequest) => seen.push(address) > 0,
    });
    const first = await (await server.follow("topic=a&wire=ndjson")).begun();
    await problemOf(await fetch(`${server.origin}/?topic=a`), 429, "ERR_RATE");
    first.leave();
    await until(() => server.closed.length === 1);
    expect((await server.follow("topic=a&wire=ndjson")).response.status).toBe(200);
    expect(seen).toEqual(["127.0.0.1", "127.0.0.1"]);
  });

  test("is that of the client behind a trusted proxy", async () => {
    const server = await serveHub({ maxConnectionsPerAddress: 1, trustedProxies: ["127.0.0.0/8"] });
    const statusFor = async (client: string): Promise<number> =>
      (await server
        .follow("topic=a&wire=ndjson", { headers: { "x-forwarded-for": `6.6.6.6, ${client}` } })
        .catch(() => undefined))
        ? 200
        : 429;
    expect([await statusFor("192.0.2.1"), await statusFor("192.0.2.1"), await statusFor("192.0.2.2")]).toEqual([
      200, 429, 200,
    ]);
  });

  test("is the address that the handler gives instead", async () => {
    const { hub } = notedHub({ maxConnectionsPerAddress: 1 });
    const handle = nodeHandler(hub, ({ headers }) => ({ address: String(headers["x-client"]) }));
    const { origin } = await serve((response) => void handle(response.req, response));
    const statusFor = async (client: string): Promise<number> =>
      (await fetch(`${origin}/?topic=a&wire=ndjson`, { headers: { "x-client": client } })).status;
    expect([await statusFor("192.0.2.1"), await statusFor("192.0.2.2")]).toEqual([200, 200]);
    expect([await statusFor("192.0.2.1"), await statusFor("192.0.2.3")]).toEqual([429, 200]);
  });

  test("is known on HTTP/2, and unknown without an error once the session is gone", async () => {
    const seen: (string | undefined)[] = [];
    let decide = (): void => undefined;
    const server = await serveHub(
      {
        maxConnectionsPerAddress: 5,
        authorize: async (request) => {
          seen.push(request.address);
          await new Promise<void>((resolve) => (decide = resolve));
          seen.push(request.address);
          return true;
        },
      },
      "http2",
    );
    const session = connect(server.origin);
    onTestFinished(() => session.destroy());
    session.request({ ":path": "/?topic=a" }).on("error", () => undefined);
    await until(() => seen.length === 1);
    session.destroy();
    await until(() => server.responses.every(isLeft));
    decide();
    await until(() => seen.length === 2);
    expect(seen[0]).toBe("127.0.0.1");
    expect(server.errors).toEqual([]);
  });

  test("is not read where nothing counts addresses", async () => {
    const { hub } = notedHub();
    let reads = 0;
    const handle = nodeHandler(hub);
    const { port } = await serve((response) => {
      const { socket } = response.req;
      Object.defineProperty(socket, "remoteAddress", { get: () => (reads += 1) });
      void handle(response.req, response);
    });
    const socket = openSocket(port, "127.0.0.1", () => socket.write("GET /?topic=a HTTP/1.1\r\nHost: x\r\n\r\n"));
    onTestFinished(() => void socket.destroy());
    await until(() => hub.stats().connections === 1);
    expect(reads).toBe(0);
  });
});
