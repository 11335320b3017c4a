/**
 * A million random and mutated requests on raw sockets, 30,000 in the short form: no crash, no unhandled rejection, no warning, no connection
 * or listener left, and coded answers only. At least a third reach the application's `authorize`, and a tenth open a stream.
 * `node test/soak/requests.ts`; `REQUESTS` sets another number. `SEED` repeats a run, and `CONVERSATION` one connection of it.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Child } from "./support/child.ts";
import { judge } from "./support/answer-check.ts";
import { until } from "./support/clock.ts";
import { converse, makeConversation, type Conversation } from "./support/conversation.ts";
import { amount, shortMs } from "./support/form.ts";
import { Checks, mebibytes } from "./support/processes.ts";
import { seedOfRun } from "./support/random.ts";
import { MAX_CONNECTIONS, type RequestsState } from "./support/requests-server.ts";
import { Tally } from "./support/tally.ts";

const REQUESTS = amount("REQUESTS", 1_000_000, 30_000);
const ONLY = process.env["CONVERSATION"];
const AT_ONCE = 64;
/** The share of requests that warm the server up. Memory is compared with its size after them. */
const WARM_UP = 0.15;
const MOST_GROWTH = 4 * 1_048_576;
const SETTLE_MS = 20_000;
/** The highest number of listeners of one event of a socket, including Node's and the soak's. */
const MOST_LISTENERS = 4;
const MOST_SHOWN = 5;
/** The short form stops sending after this time, in milliseconds. */
const MOST_MS = shortMs(0.7);

const checks = new Checks();
const tally = new Tally();
const seed = seedOfRun();
const server = new Child(new URL("support/requests-server-process.ts", import.meta.url));
const port = await server.call<number>("listen");
let sent = 0;
let conversations = 0;
let violations = 0;

function violate(number: number, conversation: Conversation, what: string): void {
  violations += 1;
  if (violations > MOST_SHOWN) return;
  const bytes = JSON.stringify(Buffer.concat(conversation.steps.flat()).toString("latin1")).slice(0, 1000);
  console.log(
    `  VIOLATION in conversation ${number} (${conversation.kinds.join(", ")}; then ${conversation.ending}): ${what}\n` +
      `    sent ${bytes}\n    to repeat: SEED=${seed} CONVERSATION=${number} node test/soak/requests.ts`,
  );
}

async function one(number: number): Promise<void> {
  const conversation = makeConversation(seed, number);
  sent += conversation.kinds.length;
  const { answers, violation } = await converse(port, conversation);
  if (violation !== undefined) violate(number, conversation, violation);
  if (conversation.steps.length > 1) tally.add("conversations one request after the other");
  if (answers.length === 0) tally.add("conversations without an answer");
  for (const kind of conversation.kinds) tally.add(`sent ${kind}`);
  for (const answer of answers) {
    const verdict = judge(answer);
    tally.add(`answers ${verdict.kind}`);
    if (verdict.violation !== undefined) violate(number, conversation, verdict.violation);
  }
}

/** Holds many conversations at once until a number of requests have been sent. */
async function converseUntil(requests: number): Promise<void> {
  const worker = async (): Promise<void> => {
    while (sent < requests && violations < 100 && performance.now() < MOST_MS) {
      conversations += 1;
      await one(conversations);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** Waits until the server has no connection left and has evicted the topics that clients have named. */
async function settled(topics: number): Promise<RequestsState> {
  let state = await server.call<RequestsState>("state");
  await until(async () => {
    state = await server.call<RequestsState>("state");
    const { stats, open, sockets } = state;
    return stats.connections === 0 && open === 0 && sockets === 0 && stats.topics <= topics;
  }, SETTLE_MS);
  return state;
}

/** Opens streams until the hub rejects one. Resolves to the number of open ones. */
async function takePlaces(): Promise<number> {
  const sockets: Socket[] = [];
  let status = "200";
  while (status === "200" && sockets.length <= MAX_CONNECTIONS) {
    const socket = connect({ port, host: "127.0.0.1" });
    sockets.push(socket);
    socket.write("GET /?topic=t0&wire=ndjson HTTP/1.1\r\nHost: soak\r\n\r\n");
    const [answer] = (await once(socket, "data")) as [Buffer];
    status = answer.toString("latin1", 9, 12);
  }
  for (const socket of sockets) socket.destroy();
  return sockets.length - 1;
}

if (ONLY !== undefined) {
  const conversation = makeConversation(seed, Number(ONLY));
  console.log(conversation.kinds, conversation.ending, Buffer.concat(conversation.steps.flat()).toString("latin1"));
  console.log(await converse(port, conversation));
  const { faults } = await server.call<RequestsState>("state");
  console.log(faults.join("\n"));
  server.stop();
  process.exit();
}

await until(async () => (await server.call<RequestsState>("state")).stats.topics > 0, SETTLE_MS);
const idle = await settled(Infinity);
const start = performance.now();
await converseUntil(REQUESTS * WARM_UP);
const before = await settled(idle.stats.topics);
await converseUntil(REQUESTS);
const seconds = (performance.now() - start) / 1000;
const end = await settled(idle.stats.topics);
const places = await takePlaces();
server.stop();

const share = (count: number): string => `${count} (${((count * 100) / sent).toFixed(1)}%)`;
const list = (counts: { readonly [name: string]: number }): string =>
  Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(", ") || "none";
console.log(
  `${sent} requests on ${conversations} connections in ${seconds.toFixed(1)} s, ${Math.round(sent / seconds)} a second: ${tally.line("sent")}\n` +
    `  ${share(end.handled)} passed Node's parser, ${share(end.authorized)} reached authorize, ${share(end.stats.opened)} opened a stream, ` +
    `${share(end.stats.rejected)} were rejected by the hub; ${tally.of("conversations without an answer")} connections had no answer, ${tally.of("conversations one request after the other")} sent one request after the other\n` +
    `  answers: ${tally.line("answers")}\n` +
    `  errors that the application provoked: ${list(end.planned)}; listeners of a socket at most: ${list(end.mostListeners)}\n` +
    `  ${end.stats.delivered} messages delivered, ${end.published} published; memory after ${Math.round(WARM_UP * 100)}%: ` +
    `${mebibytes(before.liveBytes)}, in the end ${mebibytes(end.liveBytes)}`,
);
checks.that(violations === 0, `${violations} violations`);
checks.that(end.faults.length === 0, end.faults.join("\n"));
checks.that(end.authorized >= sent / 3, `only ${share(end.authorized)} reached authorize`);
checks.that(end.stats.opened >= sent / 10, `only ${share(end.stats.opened)} opened a stream`);
checks.that(end.stats.connections === 0, `${end.stats.connections} connections are left in the hub`);
checks.that(places === MAX_CONNECTIONS, `the hub has ${places} of ${MAX_CONNECTIONS} places left`);
checks.that(end.stats.lagging === 0, `${end.stats.lagging} connections lag`);
checks.that(end.open === 0, `${end.open} connections are left in the server`);
checks.that(end.sockets === 0, `${end.sockets} sockets are not closed`);
checks.that(end.stats.topics <= idle.stats.topics, `${end.stats.topics} topics are left`);
for (const [event, count] of Object.entries(end.mostListeners)) {
  checks.that(count <= MOST_LISTENERS, `a socket had ${count} listeners: ${event}`);
}
for (const [event, count] of Object.entries(end.listeners)) {
  checks.that(
    count === (idle.listeners[event] ?? 0),
    `${event} has ${count} listeners, not ${idle.listeners[event] ?? 0}`,
  );
}
for (const kind of ["TCPSocketWrap", "HTTPINCOMINGMESSAGE", "Timeout"]) {
  const [few, many] = [idle.resources[kind] ?? 0, end.resources[kind] ?? 0];
  checks.that(many <= few, `${many} resources of the kind ${kind} are left, not ${few}`);
}
const grown = end.liveBytes - before.liveBytes;
checks.that(grown < MOST_GROWTH, `${mebibytes(grown)} more are held`);
checks.end();
