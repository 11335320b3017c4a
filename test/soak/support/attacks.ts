/**
 * The attacks of `strangers`: requests of anonymous clients that cost the server more than the client. Each attack repeats itself as fast as
 * the server answers, until it is stopped, and counts its requests and their answers.
 */
import http2 from "node:http2";
import { connect, type Socket } from "node:net";
import { until } from "./clock.ts";
import type { Random } from "./random.ts";
import { ResponseParser } from "./response-parser.ts";
import type { Ports } from "./strangers-server.ts";
import type { Tally } from "./tally.ts";

export interface AttackOptions {
  readonly ports: Ports;
  readonly fullTopics: number;
  readonly random: Random;
  /** Counts `<attack> requests`, `<attack> <status>`, and `<attack> cut` for a connection that ends without an answer. */
  readonly tally: Tally;
  /** Whether each attack that holds connections holds its full number. */
  readonly filled: Map<string, boolean>;
  readonly isOver: () => boolean;
}

/** The bytes after which a client has read nearly all of a full log: 4,096 messages of 1,024 bytes, or of one digit. */
const ALL_BYTES = 3_900_000;
const ALL_BYTES_OF_DIGITS = 100_000;
const TOPICS_EACH = 32;
/** The number of connections that each attack holds; `sessions` are of HTTP/2. */
export const HELD = { names: 400, bodies: 300, large: 500, sessions: 2 };
/** The number of clients of each attack that read a whole log at once. */
export const READERS_OF_ALL = { callbacks: 4, pipelines: 10, formats: 2 };
const STREAMS = 2000;
const BODY = Buffer.alloc(262_144, "x");
/** The longest time for which the attacks that hold connections are alone, in milliseconds. */
const FILL_MS = 5000;
/** The number of connections that an attack opens at once. */
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

/**
 * Runs all attacks, or the named ones. Those that hold connections come first, since a busy server accepts few. Resolves when all are over and
 * their connections are closed.
 */
export async function attack(options: AttackOptions, names: readonly string[] = Object.keys(attacks)): Promise<void> {
  const start = (name: string): readonly Promise<void>[] => attacks[name]?.(options) ?? [];
  const first = names.filter((name) => holding.has(name)).flatMap(start);
  await until(() => [...options.filled.values()].every(Boolean) || options.isOver(), FILL_MS);
  await Promise.all([...first, ...names.filter((name) => !holding.has(name)).flatMap(start)]);
}

const holding: ReadonlySet<string> = new Set(["names", "bodies", "large"]);

const attacks: { readonly [name: string]: (options: AttackOptions) => readonly Promise<void>[] } = {
  callbacks: (options) => times(READERS_OF_ALL.callbacks, () => readWithCallbacks(options)),
  names: (options) => [
    ...times(16, () => pollRandomTopics(options)),
    holdConnections(options, "names held", HELD.names, () => head(`/?wire=ndjson${randomTopics(options)}`)),
  ],
  pipelines: (options) => times(READERS_OF_ALL.pipelines, () => pipeline(options)),
  formats: (options) => times(READERS_OF_ALL.formats, (i) => readInFormats(options, i)),
  windows: (options) => [openStreams(options)],
  accept: (options) => times(4, () => sendCommas(options)),
  bodies: (options) => [holdConnections(options, "bodies", HELD.bodies, () => withBody(options))],
  large: (options) => [holdConnections(options, "large", HELD.large, () => largeRequest(options))],
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

/** `callbacks`: reads a whole log over and over, each time with another callback. */
async function readWithCallbacks(options: AttackOptions): Promise<void> {
  while (!options.isOver()) {
    const callback = `comet${options.random.whole(1, 1_000_000)}`;
    await readAll(options, "callbacks", head(`/?topic=full0&from=oldest&wire=comet&callback=${callback}`), ALL_BYTES);
  }
}

/** `formats`: reads topics of many bytes and topics of many messages in every format. */
async function readInFormats(options: AttackOptions, first: number): Promise<void> {
  for (let i = first * 7; !options.isOver(); i += 1) {
    const topic = `${i % 2 === 0 ? "full" : "small"}${(i >> 1) % options.fullTopics}`;
    const format = formats[Math.floor(i / (2 * options.fullTopics)) % formats.length] as string;
    const bytes = i % 2 === 0 ? ALL_BYTES : ALL_BYTES_OF_DIGITS;
    await readAll(options, "formats", head(`/?topic=${topic}&from=oldest&${format}`, "Connection: close\r\n"), bytes);
  }
}

/** `pipelines`: sends 68 KB of requests at once on one connection, and resets it when the first bytes come back. */
async function pipeline(options: AttackOptions): Promise<void> {
  while (!options.isOver()) {
    const request = head(`/?topic=full${options.random.whole(0, options.fullTopics - 1)}&wire=sse&from=oldest`);
    const count = Math.floor(68_000 / request.length);
    options.tally.add("pipelines requests", count - 1);
    const socket = await ask(options, "pipelines", request.repeat(count));
    socket.resetAndDestroy();
  }
}

/** `names` and `accept`: polls one after the other on one connection. */
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
  return pollForever(options, "names polled", () => head(`/?wire=poll&wait=0${randomTopics(options)}`));
}

function sendCommas(options: AttackOptions): Promise<void> {
  const request = head("/?topic=t", `Accept: ${",".repeat(15_500)}\r\n`);
  return pollForever(options, "accept", () => request);
}

/** `windows`: opens HTTP/2 streams with a window of 0, so that no byte of their bodies can leave. */
async function openStreams(options: AttackOptions): Promise<void> {
  const { ports, tally, random, fullTopics, filled } = options;
  const held: http2.ClientHttp2Session[] = [];
  filled.set("windows", false);
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
          tally.add("windows requests");
          stream.on("error", () => undefined);
          stream.on("response", (headers) => {
            tally.add(`windows ${headers[":status"] ?? ""}`);
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
    filled.set("windows", true);
  }
  for (const session of held) session.destroy();
}

/** `bodies`: sends a part of a body of 10 MB, which the server does not need. */
function withBody({ random, fullTopics }: AttackOptions): Buffer {
  const target = `/?topic=${random.chance(0.5) ? "t" : `full${random.whole(0, fullTopics - 1)}`}&wire=sse`;
  return Buffer.concat([Buffer.from(head(target, "Content-Length: 10000000\r\n")), BODY]);
}

/** `large`: sends a large query, large headers, or many topic names. */
function largeRequest(options: AttackOptions): string {
  const { random } = options;
  return random.pick([
    () => head(`/?topic=t&wire=ndjson&junk=${random.next().toString(36).repeat(1000).slice(0, 12_000)}`),
    () => head("/?topic=t&wire=ndjson", `Content-Length: 0\r\nX-Junk: ${"x".repeat(14_000)}\r\n`),
    () => head(`/?wire=ndjson${randomTopics(options)}`),
  ])();
}

/** Opens connections and holds the newest ones: each new one replaces the oldest, which is reset. */
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

/** Sends bytes on a new connection. Resolves when the first bytes of an answer come, or when the connection closes. */
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

/** Reads up to `most` bytes on a new connection and resets it. Resolves when the connection is closed by either side. */
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
