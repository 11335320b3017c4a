/**
 * What anonymous clients do to a server, as fast as they can: A1 to A8 of `strangers`. Each attack repeats itself until it is stopped, and
 * counts its requests and their answers.
 */
import http2 from "node:http2";
import { connect, type Socket } from "node:net";
import type { Random } from "./random.ts";
import { ResponseParser } from "./response-parser.ts";
import type { Ports } from "./strangers-server.ts";
import type { Tally } from "./tally.ts";

export interface AttackOptions {
  readonly ports: Ports;
  readonly fullTopics: number;
  readonly random: Random;
  /** `<attack> requests`, `<attack> <status>` and `<attack> cut`, which is a connection that ends without an answer. */
  readonly tally: Tally;
  /** Whether an attack that holds connections holds as many as it can. */
  readonly filled: Map<string, boolean>;
  readonly isOver: () => boolean;
}

/** A client that has read so many bytes of a full log has read nearly all: 4,096 messages of 1,024 bytes, or of one digit. */
const ALL_BYTES = 3_900_000;
const ALL_BYTES_OF_DIGITS = 100_000;
const TOPICS_EACH = 32;
/** How many connections the attacks hold that hold any, and how many of HTTP/2. */
export const HELD = { topics: 400, body: 300, large: 500, sessions: 2 };
/** How many clients read a whole log at once. */
export const READERS_OF_ALL = { callbacks: 4, pipelines: 10, formats: 2 };
const STREAMS = 2000;
const BODY = Buffer.alloc(262_144, "x");
/** How many connections an attack that holds them opens at once. */
const OPENERS = 32;

const formats: readonly string[] = [
  "wire=ndjson",
  "wire=sse",
  "wire=sse&mode=managed",
  "wire=poll&wait=0",
  "wire=comet&callback=comet1",
  "wire=comet&callback=comet2",
  "wire=comet&callback=console.log",
  "wire=comet&mode=managed",
];

/** Starts attacks, all or those that are named. Resolves when they are over, and their connections are closed. */
export async function attack(options: AttackOptions, names: readonly string[] = Object.keys(attacks)): Promise<void> {
  await Promise.all(names.flatMap((name) => attacks[name]?.(options) ?? []));
}

const attacks: { readonly [name: string]: (options: AttackOptions) => readonly Promise<void>[] } = {
  A1: (options) => times(READERS_OF_ALL.callbacks, () => readWithCallbacks(options)),
  A2: (options) => [
    ...times(16, () => pollRandomTopics(options)),
    holdConnections(options, "A2 held", HELD.topics, () => head(`/?wire=ndjson${randomTopics(options)}`)),
  ],
  A3: (options) => times(READERS_OF_ALL.pipelines, () => pipeline(options)),
  A4: (options) => times(READERS_OF_ALL.formats, (i) => readInFormats(options, i)),
  A5: (options) => [openStreams(options)],
  A6: (options) => times(4, () => sendCommas(options)),
  A7: (options) => [holdConnections(options, "A7", HELD.body, () => withBody(options))],
  A8: (options) => [holdConnections(options, "A8", HELD.large, () => largeRequest(options))],
};

function times<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}

function head(target: string, headers = ""): string {
  return `GET ${target} HTTP/1.1\r\nHost: soak\r\n${headers}\r\n`;
}

function randomTopics({ random }: AttackOptions): string {
  const length = random.pick([10, 75]);
  const name = (): string =>
    Math.floor(random.next() * 2 ** 48)
      .toString(36)
      .padEnd(length, "x");
  return times(TOPICS_EACH, () => `&topic=${name()}`).join("");
}

/** A1: readers of a whole log, each with a callback of its own. */
async function readWithCallbacks(options: AttackOptions): Promise<void> {
  while (!options.isOver()) {
    const callback = `comet${options.random.whole(1, 1_000_000)}`;
    await readAll(options, "A1", head(`/?topic=full0&from=oldest&wire=comet&callback=${callback}`), ALL_BYTES);
  }
}

/** A4: full topics in every format, those of many bytes and those of many messages. */
async function readInFormats(options: AttackOptions, first: number): Promise<void> {
  for (let i = first * 7; !options.isOver(); i += 1) {
    const topic = `${i % 2 === 0 ? "full" : "small"}${(i >> 1) % options.fullTopics}`;
    const format = formats[Math.floor(i / (2 * options.fullTopics)) % formats.length] as string;
    const bytes = i % 2 === 0 ? ALL_BYTES : ALL_BYTES_OF_DIGITS;
    await readAll(options, "A4", head(`/?topic=${topic}&from=oldest&${format}`, "Connection: close\r\n"), bytes);
  }
}

/** A3: as many requests as fit into 68 KB, at once on one connection, which is reset as soon as anything comes back. */
async function pipeline(options: AttackOptions): Promise<void> {
  while (!options.isOver()) {
    const request = head(`/?topic=full${options.random.whole(0, options.fullTopics - 1)}&wire=sse&from=oldest`);
    const count = Math.floor(68_000 / request.length);
    options.tally.add("A3 requests", count - 1);
    const socket = await ask(options, "A3", request.repeat(count));
    socket.resetAndDestroy();
  }
}

/** A2, A6: polls one after the other on one connection. */
async function pollForever(options: AttackOptions, name: string, makeRequest: () => string): Promise<void> {
  while (!options.isOver()) {
    await new Promise<void>((resolve) => {
      const socket = connect({ port: options.ports.http, host: "127.0.0.1", noDelay: true });
      const next = (): void => {
        if (options.isOver()) socket.destroy();
        else socket.write(makeRequest());
      };
      const parser = new ResponseParser({
        head: (status) => {
          options.tally.add(`${name} requests`);
          options.tally.add(`${name} ${status}`);
        },
        body: () => undefined,
        end: next,
      });
      socket.on("connect", next);
      socket.on("data", (bytes: Buffer) => parser.push(bytes));
      socket.on("error", () => options.tally.add(`${name} cut`));
      socket.on("close", () => resolve());
    });
  }
}

function pollRandomTopics(options: AttackOptions): Promise<void> {
  return pollForever(options, "A2 polls", () => head(`/?wire=poll&wait=0${randomTopics(options)}`));
}

function sendCommas(options: AttackOptions): Promise<void> {
  const request = head("/?topic=t", `Accept: ${",".repeat(15_500)}\r\n`);
  return pollForever(options, "A6", () => request);
}

/** A5: HTTP/2 streams whose window is 0, so that no byte of their bodies can leave. */
async function openStreams(options: AttackOptions): Promise<void> {
  const { ports, tally, random, fullTopics, filled } = options;
  const held: http2.ClientHttp2Session[] = [];
  filled.set("A5", false);
  while (!options.isOver()) {
    const session = http2.connect(`http://127.0.0.1:${ports.http2}`, { settings: { initialWindowSize: 0 } });
    session.on("error", () => undefined);
    await new Promise<void>((resolve) => {
      session.on("close", resolve);
      session.once("remoteSettings", ({ maxConcurrentStreams = STREAMS }: http2.Settings) => {
        let expected = Math.min(STREAMS, maxConcurrentStreams);
        const open = (): void => {
          const target = `/?topic=full${random.whole(0, fullTopics - 1)}&wire=sse&from=oldest`;
          const stream = session.request({ ":path": target });
          tally.add("A5 requests");
          stream.on("error", () => undefined);
          stream.on("response", (headers) => {
            tally.add(`A5 ${headers[":status"] ?? ""}`);
            expected -= 1;
            if (expected === 0) resolve();
          });
        };
        // The library sends no more streams than the server permits.
        for (let i = expected; i > 0; i -= 1) open();
      });
    });
    held.push(session);
    if (held.length <= HELD.sessions) continue;
    held.shift()?.destroy();
    filled.set("A5", true);
  }
  for (const session of held) session.destroy();
}

/** A7: a body that nobody reads. */
function withBody({ random, fullTopics }: AttackOptions): Buffer {
  const target = `/?topic=${random.chance(0.5) ? "t" : `full${random.whole(0, fullTopics - 1)}`}&wire=sse`;
  return Buffer.concat([Buffer.from(head(target, "Content-Length: 10000000\r\n")), BODY]);
}

/** A8: a large query, large headers, or topics of its own. */
function largeRequest(options: AttackOptions): string {
  const { random } = options;
  return random.pick([
    () => head(`/?topic=t&wire=ndjson&junk=${random.next().toString(36).repeat(1000).slice(0, 12_000)}`),
    () => head("/?topic=t&wire=ndjson", `Content-Length: 0\r\nX-Junk: ${"x".repeat(14_000)}\r\n`),
    () => head(`/?wire=ndjson${randomTopics(options)}`),
  ])();
}

/** Opens connections, and holds so many: the oldest is reset for each new one. */
async function holdConnections(
  options: AttackOptions,
  name: string,
  most: number,
  makeRequest: () => string | Buffer,
): Promise<void> {
  const held: Socket[] = [];
  options.filled.set(name, false);
  const openForever = async (): Promise<void> => {
    while (!options.isOver()) {
      held.push(await ask(options, name, makeRequest()));
      if (held.length <= most) continue;
      held.shift()?.resetAndDestroy();
      options.filled.set(name, true);
    }
  };
  await Promise.all(times(OPENERS, openForever));
  for (const socket of held) socket.resetAndDestroy();
}

/** Sends bytes on a new connection. Resolves when an answer begins, or when the connection closes without one; then reads no more. */
function ask({ ports, tally }: AttackOptions, name: string, bytes: string | Buffer): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect({ port: ports.http, host: "127.0.0.1", noDelay: true });
    tally.add(`${name} requests`);
    socket.on("connect", () => socket.write(bytes));
    let isAnswered = false;
    socket.on("data", (data: Buffer) => {
      if (!isAnswered) tally.add(`${name} ${statusOf(data)}`);
      isAnswered = true;
      resolve(socket);
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      if (!isAnswered) tally.add(`${name} cut`);
      resolve(socket);
    });
  });
}

/** Reads so many bytes on a new connection, and resets that. Resolves when it is closed, by either side. */
function readAll({ ports, tally }: AttackOptions, name: string, request: string, most: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ port: ports.http, host: "127.0.0.1", noDelay: true });
    tally.add(`${name} requests`);
    socket.on("connect", () => socket.write(request));
    let bytes = 0;
    socket.on("data", (data: Buffer) => {
      if (bytes === 0) tally.add(`${name} ${statusOf(data)}`);
      bytes += data.length;
      tally.add("bytes read", data.length);
      if (bytes >= most) socket.resetAndDestroy();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      if (bytes === 0) tally.add(`${name} cut`);
      resolve();
    });
  });
}

function statusOf(data: Buffer): string {
  return data.toString("latin1", 9, 12);
}
