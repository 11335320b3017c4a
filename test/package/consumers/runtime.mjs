// Runs on every Node that is supported, with `comet-sockets` installed from its tarball: `node --test runtime.mjs`.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import http2 from "node:http2";
import { connect } from "node:net";
import { test } from "node:test";
import * as main from "comet-sockets";
import * as memory from "comet-sockets/memory";
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

async function turnUntil(done) {
  for (let i = 0; i < 6000 && !done(); i += 1) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** A server of one source for one test, and sockets that ask it for something. */
async function serve(t, source, onOutcome = () => undefined) {
  const server = createServer((_, response) => void node.sendChunked(response, source).then(onOutcome));
  await once(server.listen(0, "127.0.0.1"), "listening");
  const sockets = [];
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (method = "GET") => {
    const socket = connect(server.address().port, "127.0.0.1").on("error", () => undefined);
    socket.write(`${method} / HTTP/1.1\r\nHost: x\r\n\r\n`);
    sockets.push(socket);
    return socket;
  };
}

test("the exports", () => {
  assert.deepEqual(Object.keys(main).sort(), [
    "CometError",
    "CometMessage",
    "Enumeratee",
    "Enumerator",
    "Html",
    "Hub",
    "Iteratee",
    "chunked",
    "comet",
    "fetchHandler",
    "html",
    "sharedHub",
  ]);
  assert.deepEqual(Object.keys(stream).sort(), ["Enumeratee", "Enumerator", "Iteratee"]);
  assert.deepEqual(Object.keys(node).sort(), ["drainOnSignal", "nodeHandler", "sendChunked"]);
  assert.deepEqual(Object.keys(memory), ["MemoryBrokers"]);
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

test("a response that waits behind another opens its source when its turn comes, or never if the client leaves", async (t) => {
  const runs = { open: 0, all: 0 };
  const outcomes = [];
  const source = Enumerator.unicast(() => {
    runs.open += 1;
    runs.all += 1;
    return () => (runs.open -= 1);
  });
  const server = createServer((_, response) => {
    void node.sendChunked(response, source.through(comet({ callback: "f" }))).then((outcome) => outcomes.push(outcome));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const socket = connect(server.address().port, "127.0.0.1");
  t.after(() => {
    socket.destroy();
    server.close();
  });
  socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2));
  await turnUntil(() => runs.open === 1);
  assert.equal(runs.open, 1);
  socket.destroy();
  await turnUntil(() => outcomes.length === 2);
  assert.deepEqual([runs, outcomes], [{ open: 0, all: 1 }, ["disconnected", "disconnected"]]);
});

test("a client that never reads stops the pull", async (t) => {
  const pulled = [];
  const endless = Enumerator.defer(() => {
    const run = pulled.push(0) - 1;
    return Enumerator.unfold(0, (i) => [String((pulled[run] = i)).padEnd(4096, "."), i + 1]);
  });
  const request = await serve(t, endless);
  request().pause();
  await turnUntil(() => pulled[0] > 0);
  // While a client that reads gets 32 MiB, one that does not gets what it can.
  let received = 0;
  request().on("data", (data) => (received += data.length));
  await turnUntil(() => received > 32 * 1024 * 1024);
  assert.ok(received > 32 * 1024 * 1024);
  assert.ok(pulled[0] < 8 * 1024, `${pulled[0]} elements of 4 KiB were pulled`);
});

test("HEAD opens no source, and 200 clients that come and go leave none open", async (t) => {
  const runs = { open: 0, all: 0 };
  const outcomes = [];
  const source = Enumerator.unicast((channel) => {
    runs.open += 1;
    runs.all += 1;
    channel.push("a");
    return () => (runs.open -= 1);
  });
  const request = await serve(t, source, (outcome) => outcomes.push(outcome));
  request("HEAD");
  await turnUntil(() => outcomes.length === 1);
  assert.deepEqual([outcomes, runs.all], [["ended"], 0]);
  for (let i = 0; i < 200; i += 1) {
    const socket = request();
    socket.once("data", () => (i % 2 === 0 ? socket.destroy() : socket.resetAndDestroy()));
  }
  await turnUntil(() => outcomes.length === 201);
  assert.deepEqual(runs, { open: 0, all: 200 });
  assert.equal(outcomes.filter((outcome) => outcome === "disconnected").length, 200);
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

test("a hub: one stream on every wire, resumed where it was cut", async (t) => {
  const { Hub } = main;
  const topics = new Hub();
  const news = topics.topic("news");
  const server = createServer(node.nodeHandler(topics));
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${server.address().port}/?topic=news`;
  const first = await news.publish({ n: 1 });
  for (const wire of ["comet", "sse", "ndjson", "poll"]) {
    const leave = new AbortController();
    const response = await fetch(`${url}&wire=${wire}&from=oldest`, { signal: leave.signal });
    const reader = response.body.getReader();
    let text = "";
    while (!text.includes('{"n":1}')) text += new TextDecoder().decode((await reader.read()).value);
    leave.abort();
  }
  await news.publish({ n: 2 });
  const response = await fetch(`${url}&wire=poll`, { headers: { "last-event-id": first } });
  const [open, message] = await response.json();
  assert.deepEqual([open.open.states, message.data], [{ news: "recovered" }, { n: 2 }]);
  const web = await topics.fetch(new Request(`${url}&wire=poll&from=oldest`));
  assert.deepEqual(
    (await web.json()).map(({ data }) => data?.n),
    [undefined, 1, 2, undefined],
  );
  await turnUntil(() => topics.stats().connections === 0);
  assert.equal(topics.stats().connections, 0);
  await topics.close({ drainMs: 0 });
  assert.equal((await fetch(url)).status, 503);
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
