/**
 * The program of anonymous clients that accept gzip, for `packed-strangers.ts`: some join and leave without reading, some
 * ask for backlogs at random places over and over, and some hold their connections and read nothing.
 */
import { connect, type Socket } from "node:net";
import { serveCalls } from "./child.ts";
import { HELD_PACKED, PACKED_TOPIC, PACKED_TOPICS } from "./packed-limits.ts";
import { Random } from "./random.ts";

const JOINERS = 4;
const BACKLOGS = 6;
const MOST_READ = 400_000;

const codings = [
  "gzip",
  "gzip, deflate, br, zstd",
  "x-gzip;q=0.1",
  "*",
  "br;q=1, gzip;q=0.001",
  "identity;q=0, *;q=0.5",
  "identity",
  `${"a;q=0.1,".repeat(100)}gzip`,
];

let random = new Random(1);
let port = 0;
let requests = 0;
const held: Socket[] = [];

function request(topic: string): string {
  const wire = random.pick(["ndjson", "sse", `comet&callback=comet${random.whole(1, 100_000)}`]);
  const from = random.pick(["oldest", `last:${random.whole(1, 1024)}`, `last:${random.whole(1, 1024)}`, "newest"]);
  requests += 1;
  return `GET /?topic=${topic}&wire=${wire}&from=${from} HTTP/1.1\r\nHost: soak\r\nAccept-Encoding: ${random.pick(codings)}\r\n\r\n`;
}

const fullTopic = (): string => `full${random.whole(0, PACKED_TOPICS - 1)}`;

/** Opens a connection, and resolves when it has read some bytes, or is closed. */
function open(topic: string, most: number): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => socket.write(request(topic)));
    let bytes = 0;
    socket.on("data", (data: Buffer) => {
      bytes += data.length;
      if (bytes < most) return;
      socket.pause();
      resolve(socket);
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(socket));
    // A stream without a backlog sends nothing more.
    if (most > 1) setTimeout(() => resolve(socket), 500);
  });
}

async function openAndReset(topic: () => string, most: number): Promise<void> {
  for (;;) (await open(topic(), most)).resetAndDestroy();
}

async function hold(): Promise<void> {
  while (held.length < HELD_PACKED) held.push(await open(fullTopic(), 1));
}

serveCalls({
  /** Starts all of them. Resolves when the connections are held. */
  start: async (order: { port: number; seed: number }) => {
    ({ port } = order);
    random = new Random(order.seed);
    await hold();
    for (let i = 0; i < JOINERS; i += 1) void openAndReset(() => random.pick([PACKED_TOPIC, fullTopic()]), 1);
    for (let i = 0; i < BACKLOGS; i += 1) void openAndReset(fullTopic, MOST_READ);
  },
  requests: () => requests,
});
