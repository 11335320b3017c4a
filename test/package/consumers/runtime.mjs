// Runs on every Node that is supported, with `comet-sockets` installed from its tarball: `node --test runtime.mjs`.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import http2 from "node:http2";
import { connect } from "node:net";
import { test } from "node:test";
import * as main from "comet-sockets";
import * as node from "comet-sockets/node";
import * as stream from "comet-sockets/stream";

const { chunked, comet, CometError, CometMessage, Enumeratee, Enumerator, html } = main;
const events = Enumerator.of("kiki", "foo", "bar");

/** A server for one test, and what a bare socket receives from it. */
async function receive(t, source, init, until = (text) => text.includes("\r\n0\r\n\r\n")) {
  let outcome;
  const server = createServer((_, response) => (outcome = node.sendChunked(response, source, init)));
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => server.close());
  const socket = connect(server.address().port, "127.0.0.1");
  socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  let text = "";
  socket.on("data", (data) => {
    text += data;
    if (until(text)) socket.destroy();
  });
  await once(socket, "close");
  return { text, outcome: await outcome };
}

test("the exports", () => {
  assert.deepEqual(Object.keys(main).sort(), [
    "CometError",
    "CometMessage",
    "Enumeratee",
    "Enumerator",
    "Html",
    "Iteratee",
    "chunked",
    "comet",
    "html",
  ]);
  assert.deepEqual(Object.keys(stream).sort(), ["Enumeratee", "Enumerator", "Iteratee"]);
  assert.deepEqual(Object.keys(node).sort(), ["sendChunked"]);
  assert.equal(stream.Enumerator, main.Enumerator);
});

test("a comet socket as a Response", async () => {
  const response = chunked(events.through(comet({ callback: "console.log" })));
  assert.equal(response.headers.get("content-type"), "text/html; charset=utf-8");
  const chunks = [];
  for await (const chunk of response.body) chunks.push(new TextDecoder().decode(chunk));
  assert.equal(chunks.length, 4);
  assert.equal(chunks[1], "<script>console.log('kiki');</script>");
});

test("a chunk for each element on HTTP/1.1", async (t) => {
  const { text, outcome } = await receive(t, events.through(comet({ callback: "f", initialChunk: null })));
  assert.match(text, /\r\n1b\r\n<script>f\('kiki'\);<\/script>\r\n1a\r\n<script>f\('foo'\);<\/script>\r\n1a\r\n/);
  assert.equal(outcome, "ended");
});

test("a failure breaks off without the last chunk", async (t) => {
  const errors = [];
  const failing = events.through(
    Enumeratee.mapAsync(async (s) => (s === "bar" ? Promise.reject(new Error("broken")) : s)),
  );
  const { text, outcome } = await receive(t, failing, { onError: (error) => errors.push(error.message) }, () => false);
  assert.ok(text.endsWith("\r\n4\r\nkiki\r\n3\r\nfoo\r\n"), JSON.stringify(text));
  assert.deepEqual([errors, outcome], [["broken"], "failed"]);
});

test("a client that leaves stops the source", async (t) => {
  let stopped = 0;
  const source = Enumerator.unicast((channel) => {
    channel.push("a");
    return () => (stopped += 1);
  });
  const { outcome } = await receive(t, source, undefined, (text) => text.includes("\r\n1\r\na\r\n"));
  assert.deepEqual([stopped, outcome], [1, "disconnected"]);
});

test("HTTP/2: elements, the end, and a failure after what was sent", async (t) => {
  const server = http2.createServer((request, response) => {
    const fail = request.url === "/fail";
    const source = Enumerator.unicast((channel) => {
      for (const element of ["a", "b", "", "c"]) channel.push(element);
      if (fail) channel.fail(new Error("broken"));
      else channel.end();
    });
    void node.sendChunked(response, source, { onError: () => undefined });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const session = http2.connect(`http://127.0.0.1:${server.address().port}`);
  t.after(() => {
    session.destroy();
    server.close();
  });
  for (const [path, code] of [
    ["/", 0],
    ["/fail", 2],
  ]) {
    const request = session.request({ ":path": path });
    let text = "";
    request
      .setEncoding("utf8")
      .on("data", (data) => (text += data))
      .on("error", () => undefined);
    const [headers] = await once(request, "response");
    assert.equal(headers["transfer-encoding"], undefined);
    if (!request.closed) await new Promise((resolve) => request.on("close", resolve));
    assert.deepEqual([text, request.rstCode], ["abc", code]);
  }
});

test("values are safe, and errors have codes", () => {
  assert.equal(
    html`<script>f(${"</script>\ud800"})</script>`.toString(),
    "<script>f('\\u003c/script>\\ud800')</script>",
  );
  assert.throws(
    () => html`<p title=${"x"}>`,
    (error) => error instanceof CometError && error.code === "ERR_HTML",
  );
  assert.throws(() => comet({ callback: "alert(1)" }), { code: "ERR_CALLBACK" });
  assert.equal(CometMessage.json("x"), "x");
});
