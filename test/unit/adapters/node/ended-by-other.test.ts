/** Responses that other code ends under a stream, as frameworks do that answer for a handler which returns. */
import { describe, expect, test } from "vitest";
import { nodeHandler, sendChunked, type NodeResponse } from "../../../../src/adapters/node/index.ts";
import { Enumerator, type CometError } from "../../../../src/index.ts";
import { notedHub, wires } from "../../../support/hub.ts";
import { RawRequest, serve, type Protocol } from "../../../support/servers.ts";
import { turns, until } from "../../../support/sources.ts";
import http2 from "node:http2";

const get = (wire: string, position = ""): string =>
  `GET /?topic=a&wire=${wire}&lastEventId=${position} HTTP/1.1\r\nHost: x\r\n\r\n`;
const codesOf = (errors: readonly unknown[]): string[] => errors.map((error) => (error as CometError).code);

/** Ends a response with a text, as Koa does with its own "Not Found". */
function end(response: NodeResponse): void {
  (response as { end: (text: string) => unknown }).end("Not Found");
}

describe.each(wires)("a response that other code ends on %s", (wire) => {
  test.each<[string, (response: NodeResponse) => void]>([
    ["at once", () => undefined],
    ["and that other code listens to", (response) => response.on("finish", () => undefined)],
    ["and that other code has changed", (response) => Reflect.set(response, "write", response.write.bind(response))],
  ])("%s is reported once with ERR_RESPONSE", async (_, prepare) => {
    const { hub, errors, reasons } = notedHub();
    const position = await hub.topic("a").publish(0);
    const handle = nodeHandler(hub);
    const { port } = await serve((response) => {
      prepare(response);
      void handle(response.req, response).then(() => end(response));
    });
    const request = new RawRequest(port, get(wire, position));
    await until(() => reasons.length === 1);
    expect([codesOf(errors), reasons]).toEqual([["ERR_RESPONSE"], ["error"]]);
    expect((errors[0] as Error).message).toContain("ctx.respond = false");
    request.socket.destroy();
    await turns();
    expect(errors).toHaveLength(1);
  });

  test("after the connection has detached is reported", async () => {
    const { hub, errors, reasons, opened } = notedHub();
    const position = await hub.topic("a").publish(0);
    const handle = nodeHandler(hub);
    const responses: NodeResponse[] = [];
    const { port } = await serve((response) => {
      responses.push(response);
      void handle(response.req, response);
    });
    new RawRequest(port, get(wire, position));
    await until(() => opened.length === 1);
    await turns();
    responses.forEach(end);
    await until(() => reasons.length === 1);
    expect([codesOf(errors), reasons]).toEqual([["ERR_RESPONSE"], ["error"]]);
  });

  test("before the hub has decided is reported, and opens nothing", async () => {
    const { hub, errors, opened } = notedHub({ authorize: () => turns().then(() => true) });
    const handle = nodeHandler(hub);
    const handled: Promise<void>[] = [];
    const { port } = await serve((response) => {
      handled.push(handle(response.req, response));
      end(response);
    });
    const request = new RawRequest(port, get(wire));
    await until(() => request.received.includes("Not Found"));
    await Promise.all(handled);
    expect([codesOf(errors), opened, hub.stats().connections]).toEqual([["ERR_RESPONSE"], [], 0]);
  });

  test("is not reported if the client leaves, or the hub ends the stream", async () => {
    const { hub, errors, opened, reasons } = notedHub();
    const position = await hub.topic("a").publish(0);
    const handle = nodeHandler(hub);
    const { port } = await serve((response) => void handle(response.req, response));
    const requests = [0, 1].map(() => new RawRequest(port, get(wire, position)));
    await until(() => opened.length === 2);
    requests[0]?.socket.destroy();
    await until(() => reasons.length === 1);
    opened.forEach((subscription) => subscription.close("gone"));
    await until(() => reasons.length === 2 && hub.stats().connections === 0);
    await turns();
    expect(errors).toEqual([]);
  });
});

test("a response of HTTP/2 that other code ends is reported once", async () => {
  const { hub, errors, reasons } = notedHub();
  const handle = nodeHandler(hub);
  const protocol: Protocol = "http2";
  const { origin } = await serve((response) => void handle(response.req, response).then(() => end(response)), protocol);
  const session = http2.connect(origin);
  session.request({ ":path": "/?topic=a&wire=sse" }).resume();
  await until(() => reasons.length === 1);
  session.destroy();
  await turns();
  expect([codesOf(errors), reasons]).toEqual([["ERR_RESPONSE"], ["error"]]);
});

test("a response that other code ends under sendChunked fails, and its source is stopped", async () => {
  const errors: unknown[] = [];
  let isStopped = false;
  const source = Enumerator.unicast<string>(() => () => (isStopped = true));
  const outcomes: string[] = [];
  const { port } = await serve((response) => {
    const init = { headers: { "content-type": "text/plain" }, onError: (error: unknown) => void errors.push(error) };
    void sendChunked(response, source, init).then((outcome) => outcomes.push(outcome));
    end(response);
  });
  new RawRequest(port, get(""));
  await until(() => outcomes.length === 1);
  expect([outcomes, codesOf(errors), isStopped]).toEqual([["failed"], ["ERR_RESPONSE"], true]);
});
