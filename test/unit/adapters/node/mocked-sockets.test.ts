/** Requests without a network, as `fastify.inject` and others make them: their sockets are mocked. */
import { EventEmitter } from "node:events";
import { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Writable } from "node:stream";
import { describe, expect, test } from "vitest";
import { nodeHandler } from "../../../../src/adapters/node/index.ts";
import { notedHub, streams } from "../../../support/hub.ts";
import { turns, until } from "../../../support/sources.ts";

/** Returns a request and its response, and the text that is written to the response. */
function inject(url: string) {
  const socket = Object.assign(new EventEmitter(), { remoteAddress: "127.0.0.1" }) as unknown as Socket;
  const request = Object.assign(new IncomingMessage(socket), { method: "GET", url, httpVersion: "1.1" });
  const response = new ServerResponse(request);
  const injected = { request, response, received: "", ended: false };
  const output = new Writable({
    write(chunk, _, done) {
      injected.received += String(chunk);
      done();
    },
  });
  response.assignSocket(output as unknown as Socket);
  response.on("finish", () => {
    injected.ended = true;
    // As injectors do: no server detaches the response and closes it.
    response.destroy();
  });
  return injected;
}

describe("a request with a mocked socket", () => {
  test.each(streams)("gets a stream on %s, until the hub ends it", async (wire) => {
    const { hub, opened, errors } = notedHub();
    const injected = inject(`/?topic=a&wire=${wire}`);
    await nodeHandler(hub)(injected.request, injected.response);
    await hub.topic("a").publish("kiki");
    await until(() => injected.received.includes("kiki"));
    opened[0]?.close("gone");
    await until(() => injected.ended);
    expect(injected.received).toMatch(/^HTTP\/1\.1 200 OK[^]*kiki[^]*gone/);
    expect(errors).toEqual([]);
  });

  test("gets a poll, and a refusal", async () => {
    const { hub, errors } = notedHub();
    const injected = ["topic=a&wire=poll", "wire=poll"].map((query) => inject(`/?${query}`));
    for (const { request, response } of injected) await nodeHandler(hub)(request, response);
    await until(() => injected.every(({ ended }) => ended));
    expect(injected[0]?.received).toMatch(/"reason":"poll"/);
    expect(injected[1]?.received).toMatch(/^HTTP\/1\.1 400[^]*ERR_TOPIC/);
    await turns();
    expect(errors).toEqual([]);
  });
});
