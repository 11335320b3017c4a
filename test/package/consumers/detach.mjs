// What `nodeHandler` does on Node's HTTP/1.1 beneath what is documented, on every Node: `node --expose-gc --test detach.mjs`.
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { AsyncLocalStorage } from "node:async_hooks";
import diagnosticsChannel from "node:diagnostics_channel";
import { test } from "node:test";
import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";

const stream = "GET /?topic=a&wire=ndjson HTTP/1.1\r\nHost: x\r\n\r\n";
const nothing = () => undefined;

async function until(done, what = done) {
  for (let i = 0; i < 6000 && !done(); i += 1) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(done(), `not within 30 s: ${what}`);
}

/** Waits for some turns of the event loop: a connection lets go of Node's objects in the first of them. */
async function turns(count = 5) {
  for (let i = 0; i < count; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A hub behind a server of its own; `prepare` does something to a response before it is connected. */
async function serve(t, { prepare = nothing, hubOptions = {}, serverOptions = {}, options } = {}) {
  const noted = { sockets: [], opened: [], reasons: [], errors: [], clientErrors: [] };
  const hub = new Hub({
    ...hubOptions,
    onOpen: (subscription) => noted.opened.push(subscription),
    onClose: (_, reason) => noted.reasons.push(reason),
    onError: (error) => noted.errors.push(error),
  });
  const server = http.createServer(serverOptions, (request, response) => {
    noted.sockets.push(request.socket);
    prepare(response, request, server);
    void nodeHandler(hub, options)(request, response);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => {
    void hub.close({ drainMs: 0 });
    server.close();
    for (const socket of noted.sockets) socket.destroy();
    assert.deepEqual(noted.errors, []);
  });
  const follow = (text = stream, socketOptions = {}) => {
    const client = net.connect({ port: server.address().port, host: "127.0.0.1", ...socketOptions });
    const following = { client, received: "", over: false, ended: false };
    client.on("error", nothing).on("end", () => (following.ended = true));
    client.on("data", (data) => (following.received += data.toString("latin1")));
    client.on("close", () => (following.over = true));
    client.write(text);
    return following;
  };
  return { ...noted, hub, server, follow };
}

/** One stream whose connection has been let go of. */
async function serveOne(t, given) {
  const served = await serve(t, given);
  const following = served.follow();
  await until(() => served.sockets[0]?.parser === null, "the connection is let go of");
  return { ...served, following, socket: served.sockets[0] };
}

const connectionsOf = (server) =>
  new Promise((resolve, reject) => server.getConnections((error, count) => (error ? reject(error) : resolve(count))));

test("the connection of a stream lets go of parser, request and response, and both are collected", async (t) => {
  const held = [];
  const { socket, hub, following } = await serveOne(t, {
    prepare: (response, request) => held.push(new WeakRef(response), new WeakRef(request)),
  });
  assert.equal(socket._httpMessage, null);
  assert.deepEqual(
    ["data", "drain", "end", "close"].map((name) => socket.listeners(name).map((listener) => listener.name)),
    [["discard"], ["onDrain"], ["onReadableStreamEnd", "onEnd"], ["onClose"]],
  );
  await until(() => {
    globalThis.gc();
    return held.every((ref) => ref.deref() === undefined);
  }, "both are collected");
  await hub.topic("a").publish("kiki");
  await until(() => following.received.includes('"kiki"'));
  assert.match(following.received, /^HTTP\/1\.1 200 OK\r\n[^]*connection: close\r\n/i);
});

test("its end is the last chunk, and then the connection's", async (t) => {
  const { opened, reasons, following, server, hub } = await serveOne(t);
  assert.equal(await connectionsOf(server), 1);
  opened[0].close("gone");
  await until(() => following.over);
  assert.match(following.received, /\{"end":[^]*\}\n\r\n0\r\n\r\n$/);
  assert.equal(following.ended, true);
  assert.deepEqual(reasons, ["gone"]);
  await until(() => hub.stats().connections === 0);
  assert.equal(await connectionsOf(server), 0);
});

test("a server that is closed waits for it", async (t) => {
  const { opened, server } = await serveOne(t);
  let closed = false;
  server.close(() => (closed = true));
  await turns();
  assert.equal(closed, false);
  opened[0].close("gone");
  await until(() => closed);
});

test("a hub that is closed ends it, however the client holds on", async (t) => {
  const { hub, server, following } = await serveOne(t, { prepare: nothing });
  following.client.allowHalfOpen = true;
  await hub.close({ drainMs: 0 });
  assert.match(following.received, /"reason":"drain"[^]*\r\n0\r\n\r\n$/);
  assert.equal(await connectionsOf(server), 0);
});

test("closeAllConnections breaks it off, and the server is closed", async (t) => {
  const { server, following, reasons, follow, sockets } = await serveOne(t);
  const second = follow();
  await until(() => sockets[1]?.parser === null);
  let closed = false;
  server.close(() => (closed = true));
  assert.equal(Object.keys(server).includes("closeAllConnections"), false);
  server.closeAllConnections();
  await until(() => closed && following.over && second.over);
  assert.deepEqual(reasons, ["client", "client"]);
  assert.ok(!following.received.includes("\r\n0\r\n\r\n"));
});

for (const [how, leave] of [
  ["closes", (client) => client.destroy()],
  ["resets", (client) => client.resetAndDestroy()],
  ["half-closes", (client) => client.end()],
]) {
  test(`a client that ${how} the connection is noticed, once`, async (t) => {
    const served = await serve(t, {});
    const following = served.follow(stream, { allowHalfOpen: true });
    await until(() => served.sockets[0]?.parser === null && following.received.includes("open"));
    leave(following.client);
    await until(() => served.reasons.length === 1);
    await until(() => served.sockets[0].destroyed);
    for (let i = 0; i < 3; i += 1) await served.hub.topic("a").publish("to nobody");
    assert.deepEqual(served.reasons, ["client"]);
    assert.equal(await connectionsOf(served.server), 0);
  });
}

test("a reset is told to who listens for clients' errors, as ever", async (t) => {
  const { server, following, reasons } = await serveOne(t);
  const codes = [];
  server.on("clientError", (error) => codes.push(error.code));
  following.client.resetAndDestroy();
  await until(() => reasons.length === 1);
  assert.deepEqual(codes, ["ECONNRESET"]);
});

test("what the client goes on to send is discarded, much or little", async (t) => {
  const { hub, following, opened, reasons } = await serveOne(t);
  following.client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\nnonsense\0");
  for (let i = 0; i < 20; i += 1) following.client.write(Buffer.alloc(100_000, "x"));
  await hub.topic("a").publish("kiki");
  await until(() => following.client.writableLength === 0 && following.received.includes('"kiki"'));
  assert.equal(following.received.match(/HTTP\/1\.1/g).length, 1);
  assert.deepEqual([opened.length, reasons.length], [1, 0]);
});

test("a client that reads slowly gets everything once it reads on", async (t) => {
  const log = { maxBytes: 64 * 1024 * 1024 };
  const { hub, following, socket } = await serveOne(t, { hubOptions: { log } });
  following.client.pause();
  for (let i = 0; i < 400; i += 1) await hub.topic("a").publish(`${i} ${"x".repeat(50_000)}`);
  await until(() => hub.stats().lagging === 1);
  assert.equal(socket.writableNeedDrain, true);
  following.client.resume();
  await until(() => hub.stats().lagging === 0);
  await until(() => following.received.includes('"399 xx'));
  assert.equal(following.received.match(/"data":"\d+ x/g).length, 400);
});

test("a client that does not read is broken off", async (t) => {
  const { hub, following, reasons, server } = await serveOne(t, { hubOptions: { stallMs: 100 } });
  following.client.pause();
  for (let i = 0; i < 400; i += 1) await hub.topic("a").publish("x".repeat(50_000));
  await until(() => reasons.length === 1);
  assert.deepEqual(reasons, ["stalled"]);
  following.client.resume();
  await until(() => following.over);
  assert.ok(!following.received.endsWith("\r\n0\r\n\r\n"));
  assert.equal(await connectionsOf(server), 0);
});

test("requests behind it in one packet are not admitted, and end with the connection", async (t) => {
  const { sockets, opened, reasons, follow } = await serve(t);
  const following = follow(stream + stream + stream);
  await until(() => opened.length === 1);
  await turns();
  assert.notEqual(sockets[0].parser, null);
  opened[0].close("gone");
  await until(() => reasons.length === 1 && following.over);
  assert.deepEqual([opened.length, reasons], [1, ["gone"]]);
  assert.match(following.received, /\r\n0\r\n\r\n$/);
});

test("a connection with requests behind its poll is closed by a flood, and waits for few", async (t) => {
  const { hub, opened, reasons, follow } = await serve(t);
  const position = await hub.topic("a").publish(1);
  const poll = stream.replace("ndjson", `poll&lastEventId=${position}`);
  const few = follow(poll.repeat(3));
  await until(() => opened.length === 1);
  await turns();
  assert.equal(opened.length, 1);
  await hub.topic("a").publish(2);
  await until(() => few.received.split('"reason":"poll"').length === 4);
  const many = follow(stream.repeat(1000));
  await until(() => many.over && reasons.length === 4);
  assert.deepEqual([opened.length, reasons], [4, ["poll", "poll", "poll", "client"]]);
});

// Node's parser runs ticks within a packet if a request has more than 32 header lines.
const many = "X: 1\r\n".repeat(40);
for (const [what, first] of [
  ["many header lines", stream.replace("\r\n\r\n", `\r\n${many}\r\n`)],
  ["many trailers", stream.replace("\r\n\r\n", `\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n${many}\r\n`)],
]) {
  for (const [behind, text] of [
    ["another request", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["a request with many header lines", `GET / HTTP/1.1\r\nHost: a\r\n${many}\r\n`],
    ["bytes that are no request", "nonsense\0\r\n\r\n"],
  ]) {
    test(`a request with ${what} and ${behind} behind it in one packet does no harm`, async (t) => {
      const { opened, reasons, follow, hub } = await serve(t);
      const following = follow(first + text);
      await until(() => opened.length === 1 || following.over);
      following.client.destroy();
      await until(() => reasons.length === opened.length && hub.stats().connections === 0);
      const next = follow();
      await until(() => next.received.includes("open"));
    });
  }
}

const large = Array.from({ length: 14 }, (_, i) => `X-${i}: ${"x".repeat(1000)}\r\n`).join("");
for (const [what, headers, body] of [
  ["an announced body of 0 bytes", "Content-Length: 0\r\n", ""],
  ["a body in the same packet", "Content-Length: 5\r\n", "12345"],
  ["an empty body in chunks", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n"],
  ["a body that comes later", "Content-Length: 200000\r\n", "x".repeat(200_000)],
]) {
  test(`a request with ${what} and large headers is collected too`, async (t) => {
    const held = [];
    const { sockets, opened, follow, hub } = await serve(t, {
      prepare: (response, request) => held.push(new WeakRef(response), new WeakRef(request)),
    });
    const following = follow(stream.replace("\r\n\r\n", `\r\n${large}${headers}\r\n`));
    await until(() => following.received !== "" || body === "" || headers.includes("2000"));
    following.client.write(body);
    await until(() => opened.length === 1 && sockets[0].parser === null, "the connection is let go of");
    await until(() => {
      globalThis.gc();
      return held.every((ref) => ref.deref() === undefined);
    }, "both are collected");
    await hub.topic("a").publish("kiki");
    await until(() => following.received.includes('"kiki"'));
  });
}

test("a call of Node's own closeAllConnections misses it, unless detach is off", async (t) => {
  const { server, following, reasons, opened } = await serveOne(t);
  http.Server.prototype.closeAllConnections.call(server);
  await turns();
  assert.deepEqual([reasons, following.over], [[], false]);
  opened[0].close("gone");
  const kept = await serve(t, { options: { detach: false } });
  const second = kept.follow();
  await until(() => second.received.includes("open"));
  http.Server.prototype.closeAllConnections.call(kept.server);
  await until(() => second.over && kept.reasons.length === 1);
});

test("a subscriber that comes later misses its end, unless detach is off", async (t) => {
  const finished = [];
  const note = ({ response }) => finished.push(response);
  const { opened, following } = await serveOne(t);
  const kept = await serve(t, { options: { detach: false } });
  const second = kept.follow();
  await until(() => second.received.includes("open"));
  diagnosticsChannel.subscribe("http.server.response.finish", note);
  t.after(() => diagnosticsChannel.unsubscribe("http.server.response.finish", note));
  opened[0].close("gone");
  await until(() => following.over);
  assert.equal(finished.length, 0);
  kept.opened[0].close("gone");
  await until(() => finished.length === 1);
});

test("onClose runs outside the AsyncLocalStorage of the request", async (t) => {
  const storage = new AsyncLocalStorage();
  const stores = [];
  const hub = new Hub({ onClose: () => stores.push(storage.getStore()) });
  const sockets = [];
  const server = http.createServer((request, response) => {
    sockets.push(request.socket);
    storage.run("of the request", () => void nodeHandler(hub)(request, response));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => server.close());
  const client = net.connect(server.address().port, "127.0.0.1", () => client.write(stream));
  client.on("error", nothing).resume();
  await until(() => sockets[0]?.parser === null);
  client.destroy();
  await until(() => stores.length === 1);
  assert.deepEqual(stores, [undefined]);
});

// Whoever keeps a response, and uses it late.

async function serveHeld(t) {
  const held = {};
  const served = await serveOne(t, { prepare: (response, request) => Object.assign(held, { response, request }) });
  return { ...served, ...held };
}

/** Serves one stream by a server whose request listener is the handler itself. Other listeners are added by `prepare`. */
async function serveByHandler(t, prepare) {
  const noted = { opened: [], reasons: [], errors: [] };
  const sockets = [];
  const hub = new Hub({
    onOpen: () => noted.opened.push(sockets[0]._httpMessage),
    onClose: (_, reason) => noted.reasons.push(reason),
    onError: (error) => noted.errors.push(error),
  });
  const server = http.createServer(nodeHandler(hub)).on("connection", (socket) => sockets.push(socket));
  prepare(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => {
    void hub.close({ drainMs: 0 });
    server.close();
    for (const socket of sockets) socket.destroy();
    assert.deepEqual(noted.errors, []);
  });
  const client = net.connect(server.address().port, "127.0.0.1").on("error", nothing).resume();
  client.write(stream);
  await until(() => sockets[0]?.parser === null, "the connection detaches");
  return { ...noted, client };
}

const hasTraps = (response) => Object.getOwnPropertyDescriptor(response, "destroyed").get !== undefined;

test("a response that only the handler has had gets no traps", async (t) => {
  const { opened, reasons, client } = await serveByHandler(t, nothing);
  assert.equal(hasTraps(opened[0]), false);
  client.destroy();
  await until(() => reasons.length === 1);
});

for (const [what, share] of [
  ["another listener", (server, hold) => server.on("request", (_, response) => hold(response))],
  [
    "a patched emit",
    (server, hold) => {
      server.emit = function (...args) {
        if (args[0] === "request") hold(args[2]);
        return http.Server.prototype.emit.apply(this, args);
      };
    },
  ],
  [
    "a diagnostics channel",
    (_server, hold, t) => {
      const note = ({ response }) => hold(response);
      diagnosticsChannel.subscribe("http.server.request.start", note);
      t.after(() => diagnosticsChannel.unsubscribe("http.server.request.start", note));
    },
  ],
]) {
  test(`a response that ${what} has had shows late that it is over`, async (t) => {
    const held = [];
    const { reasons, client } = await serveByHandler(t, (server) => share(server, (one) => held.push(one), t));
    client.destroy();
    await until(() => reasons.length === 1);
    assert.deepEqual([held[0].destroyed, held[0].closed, held[0].req.aborted], [true, true, true]);
  });
}

test("a request that a function of the options has had shows late that it is over", async (t) => {
  const held = [];
  const hub = new Hub();
  const sockets = [];
  const handler = nodeHandler(hub, (request) => {
    held.push(request);
    return {};
  });
  const server = http.createServer(handler).on("connection", (socket) => sockets.push(socket));
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => server.close());
  const client = net.connect(server.address().port, "127.0.0.1").on("error", nothing).resume();
  client.write(stream);
  await until(() => sockets[0]?.parser === null, "the connection detaches");
  client.destroy();
  await until(() => hub.stats().connections === 0);
  assert.deepEqual([held[0].destroyed, held[0].aborted], [true, true]);
});

test("who listens late is told of the client's leaving", async (t) => {
  const { response, request, following, reasons } = await serveHeld(t);
  const told = [];
  for (const name of ["close", "finish"]) response.once(name, () => told.push(`response ${name}`));
  for (const name of ["close", "aborted", "error"]) request.on(name, () => told.push(`request ${name}`));
  assert.deepEqual([response.destroyed, request.destroyed, response.writableEnded], [false, false, false]);
  following.client.destroy();
  await until(() => told.length === 4);
  assert.deepEqual(told.sort(), ["request aborted", "request close", "request error", "response close"]);
  assert.deepEqual([response.destroyed, request.destroyed, request.aborted], [true, true, true]);
  assert.deepEqual(reasons, ["client"]);
});

test("who listens late is told of the stream's end", async (t) => {
  const { response, request, opened, following, reasons } = await serveHeld(t);
  const told = [];
  for (const name of ["close", "finish"]) response.on(name, () => told.push(`response ${name}`));
  for (const name of ["close", "aborted", "error"]) request.on(name, () => told.push(`request ${name}`));
  opened[0].close("gone");
  await until(() => told.length === 3 && following.over);
  assert.deepEqual(told.sort(), ["request close", "response close", "response finish"]);
  assert.match(following.received, /\{"end":[^]*\}\n\r\n0\r\n\r\n$/);
  assert.deepEqual(reasons, ["gone"]);
});

test("who looks late sees whether it is over", async (t) => {
  const { response, request, following, reasons } = await serveHeld(t);
  following.client.destroy();
  await until(() => reasons.length === 1);
  assert.deepEqual(
    [response.destroyed, response.writableEnded, response.closed, request.destroyed, request.aborted],
    [true, false, true, true, true],
  );
});

test("who looks after the end sees that it is over", async (t) => {
  const { response, request, opened, following } = await serveHeld(t);
  opened[0].close("gone");
  await until(() => following.over);
  assert.deepEqual([response.writableEnded, response.destroyed, request.aborted], [true, true, false]);
});

test("who writes late, writes into the stream; who ends it late, ends it", async (t) => {
  const { response, following, reasons, server, errors } = await serveHeld(t);
  response.write("by hand\n");
  await until(() => following.received.includes("\r\n8\r\nby hand\n\r\n"));
  response.end();
  await until(() => following.over);
  assert.match(following.received, /by hand\n\r\n0\r\n\r\n$/);
  assert.deepEqual(reasons, ["error"]);
  assert.deepEqual(
    errors.splice(0).map(({ code }) => code),
    ["ERR_RESPONSE"],
  );
  assert.equal(await connectionsOf(server), 0);
});

test("who destroys it late, breaks it off", async (t) => {
  const { response, following, reasons } = await serveHeld(t);
  assert.equal(response.socket?.destroyed, false);
  response.destroy();
  await until(() => following.over && reasons.length === 1);
  assert.ok(!following.received.includes("\r\n0\r\n"));
});

test("who destroys the request late, breaks it off", async (t) => {
  const { request, following, reasons } = await serveHeld(t);
  request.destroy();
  await until(() => following.over && reasons.length === 1);
});

test("a time limit that is set late holds", async (t) => {
  const { request, following, reasons } = await serveHeld(t);
  request.socket.setTimeout(30);
  await until(() => following.over);
  assert.deepEqual(reasons, ["client"]);
});

// Where anybody might notice, or anything is not as it was known, the connection is kept, and serves the next request.

class Patched extends http.ServerResponse {
  emit(...args) {
    return super.emit(...args);
  }
}

const rename = (socket, event, name) => {
  const listener = socket.listeners(event).find((one) => one.name === name);
  if (listener === undefined) return;
  socket.off(event, listener);
  socket.on(event, (...args) => listener(...args));
};

for (const [what, given] of [
  ["the application listens to the response", { prepare: (response) => response.on("finish", nothing) }],
  ["it listens for its close", { prepare: (response) => response.on("close", nothing) }],
  ["it listens to the request", { prepare: (_, request) => request.on("close", nothing) }],
  ["it has changed a response", { prepare: (response) => (response.destroy = response.destroy.bind(response)) }],
  ["it has responses of its own", { serverOptions: { ServerResponse: Patched } }],
  ["it says what becomes of the connection", { prepare: (response) => response.setHeader("Connection", "keep-alive") }],
  ["it says so in the options", { options: { headers: { connection: "keep-alive" } } }],
  ["it announces trailers", { prepare: (response) => response.setHeader("Trailer", "x-y") }],
  ["the server has a time limit", { prepare: (_response, _request, server) => (server.timeout = 60_000) }],
  ["the socket has a time limit", { prepare: (response) => response.socket.setTimeout(60_000) }],
  [
    "the server cannot close all connections",
    { prepare: (_response, _request, server) => (server.closeAllConnections = undefined) },
  ],
  [
    "Node's listener for data has another name",
    { prepare: (response) => rename(response.socket, "data", "bound socketOnData") },
  ],
  [
    "Node's listener for the close has another name",
    { prepare: (response) => rename(response.socket, "close", "bound socketOnClose") },
  ],
  [
    "a response cannot be detached",
    { prepare: (response) => (response.detachSocket = response.detachSocket.bind(response)) },
  ],
]) {
  test(`the connection is kept where ${what}`, async (t) => {
    const { sockets, opened, reasons, follow, hub } = await serve(t, given);
    const following = follow();
    await until(() => opened.length === 1);
    await turns();
    assert.notEqual(sockets[0].parser, null);
    await hub.topic("a").publish("kiki");
    await until(() => following.received.includes('"kiki"'));
    opened[0].close("gone");
    await until(() => following.received.endsWith("}\n\r\n0\r\n\r\n"));
    following.client.write(stream);
    await until(() => opened.length === 2);
    assert.deepEqual([reasons, sockets[1] === sockets[0]], [["gone"], true]);
  });
}

test("who listens just after it has connected is told of the end", async (t) => {
  let closed = 0;
  const { sockets, opened, follow } = await serve(t, {
    prepare: (response) => queueMicrotask(() => response.on("close", () => (closed += 1))),
  });
  const following = follow();
  await until(() => opened.length === 1);
  await turns();
  assert.notEqual(sockets[0]._httpMessage, null);
  opened[0].close("gone");
  await until(() => following.over && closed === 1);
  assert.match(following.received, /\r\n0\r\n\r\n$/);
});

test("a request with a body is kept", async (t) => {
  const { sockets, opened, follow } = await serve(t);
  follow(stream.replace("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\n12"));
  await until(() => opened.length === 1);
  await turns();
  assert.notEqual(sockets[0].parser, null);
});

test("HTTP/1.0 and polls are kept", async (t) => {
  const { sockets, opened, follow } = await serve(t);
  follow(stream.replace("1.1", "1.0"));
  follow(stream.replace("ndjson", "poll"));
  await until(() => opened.length === 2);
  await turns();
  for (const socket of sockets) assert.notEqual(socket.parser, null);
});
