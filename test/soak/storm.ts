/**
 * Five thousand clients, 2,000 in the short form, of all wires, are cut at once and reconnect within ten seconds, 500 a second, each with a
 * thousand messages to catch up. All receive exactly these, and each message is encoded once for each wire, however many clients there
 * are. `node test/soak/storm.ts`; `CLIENTS` for another number.
 */
import { sleep } from "./support/clock.ts";
import type { CrowdState } from "./support/crowd-process.ts";
import { amount } from "./support/form.ts";
import { Checks, crowdProcess, mebibytes, probedServerProcess } from "./support/processes.ts";
import type { ProbeState, ServerState } from "./support/server-process.ts";

const CLIENTS = amount("CLIENTS", 5000, 2000);
const BACKLOG = 1000;
const MESSAGE_BYTES = 200;
const BACK_WITHIN_MS = 2 * CLIENTS;
const SERVED_WITHIN_MS = 60_000;
const MOST_BYTES_PER_CLIENT = 65_536;
const wires = ["ndjson", "sse", "comet", "poll"] as const;

const checks = new Checks();
const server = probedServerProcess();
const clients = crowdProcess();
const port = await server.call<number>("listen", { seed: 1, hub: {} });
for (const wire of wires) {
  const crowd = { port, topic: "soak", wire, count: CLIENTS / wires.length, reading: true };
  const opened = await clients.call<boolean>("open", { ...crowd, backWithinMs: BACK_WITHIN_MS });
  checks.that(opened, `not all clients of ${wire} were let in`);
}
await sleep(1000);
await server.call("collectGarbage");
await server.call("watch", 10);
const idle = await server.call<ServerState>("state");

const cut = await server.call<number>("cutAll");
// What is published goes out before anybody is back: each of them finds all of it in the log, or nearly all.
const order = { topic: "soak", messages: BACKLOG, burst: BACKLOG, everyMs: 0, bytes: MESSAGE_BYTES };
await server.call("publishStamped", order);
const start = performance.now();
const reached = await clients.call<boolean>("reach", { offset: BACKLOG, timeoutMs: SERVED_WITHIN_MS });
const seconds = (performance.now() - start) / 1000;
const state = await server.call<ServerState>("state");
const probe = await server.call<ProbeState>("probe");
let messages = 0;
for (let back = 0; back < wires.length; back += 1) {
  const got = await clients.call<CrowdState>("state", back);
  messages += got.messages;
  checks.that(got.violations.length === 0, got.violations.join(" "));
}
for (const child of [server, clients]) child.stop();

const perClient = (state.peakRss - idle.rss) / CLIENTS;
console.log(
  `${cut} connections cut, ${CLIENTS} clients back within ${BACK_WITHIN_MS / 1000} s for ${BACKLOG} messages of ${MESSAGE_BYTES} bytes each: ` +
    `${messages} deliveries, the last served after ${seconds.toFixed(1)} s, ` +
    `${((state.cpuMs - idle.cpuMs) / 1000).toFixed(1)} s of CPU\n` +
    `  ${probe.texts} texts with messages were encoded, none more than ${probe.mostEncodings} times; ` +
    `memory ${mebibytes(idle.rss)} with all idle, at most ${mebibytes(state.peakRss)}: ` +
    `${(perClient / 1024).toFixed(1)} KiB more a client\n` +
    `  event loop: delay p50 ${probe.loop.p50Us} us, p99 ${probe.loop.p99Us} us, max ${probe.loop.maxUs} us`,
);
checks.that(cut >= CLIENTS, `only ${cut} connections were cut`);
checks.that(reached, "not all were served in time");
checks.that(messages === CLIENTS * BACKLOG, `${messages} of ${CLIENTS * BACKLOG} messages came`);
// The lines of ndjson and of managed comet are the same.
checks.that(probe.mostEncodings === 2, `a message was encoded ${probe.mostEncodings} times for two wires`);
// Once for each wire, two of which have the same, and once as publishing counts its bytes.
const texts = wires.length * BACKLOG;
checks.that(probe.texts === texts, `${probe.texts} texts were encoded, not ${texts}`);
checks.that(perClient < MOST_BYTES_PER_CLIENT, `each client cost ${Math.round(perClient)} bytes`);
checks.that(state.errors.length === 0, state.errors.join(" "));
checks.that(state.stats.skipped === 0, `${state.stats.skipped} messages were skipped`);
checks.end();
