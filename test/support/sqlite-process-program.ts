/** A process with a broker on a SQLite file: the program of `SqliteProcess`. */
import { statfsSync, writeFileSync } from "node:fs";
import { sqliteBroker, type SqliteBrokerOptions } from "../../src/brokers/sqlite/index.ts";
import type { Broker, BrokerPublication, History } from "../../src/log/broker.ts";
import type { Acknowledged, SqlitePublishing } from "./sqlite-process.ts";

const bounds = { maxEntries: 1_000_000, maxBytes: 2 ** 30, maxAgeMs: 3_600_000 };
const told: string[] = [];
const heard: string[] = [];
let opened: Broker | undefined;

function broker(): Broker {
  if (opened === undefined) throw new Error("The file is not open.");
  return opened;
}

function publication(json: string): BrokerPublication {
  return { json, bytes: json.length, event: undefined, key: undefined, messageId: undefined };
}

const codeOf = (error: unknown): string => String((error as { code?: unknown }).code);

const handlers = {
  open: async (options: SqliteBrokerOptions): Promise<string> => {
    try {
      opened = await sqliteBroker(options);
    } catch (error) {
      return `${codeOf(error)}: ${(error as Error).message}`;
    }
    opened.attach({
      lost: () => told.push("lost"),
      restored: () => told.push("restored"),
      signalled: () => undefined,
      ignored: () => undefined,
    });
    return "open";
  },
  listen: (topic: string): Promise<void> => broker().listen(topic, ({ message }) => heard.push(message.json)),
  /** Waits until it has been notified of as many messages. */
  heard: async (count: number): Promise<string[]> => {
    while (heard.length < count) await new Promise((resolve) => setTimeout(resolve, 5));
    return heard;
  },
  told: (): string[] => told,
  /** Publishes as many messages, and returns the longest time of one call in milliseconds. */
  publish: async ({ topics, label, count = 1, width = 1 }: SqlitePublishing): Promise<number> => {
    let [next, longestMs] = [0, 0];
    const work = async (): Promise<void> => {
      while (next < count) {
        const i = next++;
        const began = performance.now();
        await broker().publish(topics[i % topics.length] as string, publication(`"${label} ${i}"`), bounds);
        longestMs = Math.max(longestMs, performance.now() - began);
      }
    };
    await Promise.all(Array.from({ length: width }, work));
    return longestMs;
  },
  /** Publishes until the process is killed, and reports each acknowledgement. */
  run: ({ topics, label, width = 1 }: SqlitePublishing): void => {
    let next = 0;
    const work = async (): Promise<void> => {
      for (;;) {
        const i = next++;
        const topic = topics[i % topics.length] as string;
        const json = `"${label} ${i}"`;
        const position = await broker().publish(topic, publication(json), bounds);
        process.send?.({ acknowledged: { topic, json, ...position } satisfies Acknowledged });
      }
    };
    for (let i = 0; i < width; i += 1) void work();
  },
  /** Publishes one message of a size, and returns its offset, or the code of the error. */
  publishOne: ({ topic, bytes }: { topic: string; bytes: number }): Promise<number | string> =>
    broker()
      .publish(topic, publication(JSON.stringify("x".repeat(bytes))), bounds)
      .then(({ offset }) => offset, codeOf),
  read: async (topic: string): Promise<History["messages"]> => {
    const messages: History["messages"][number][] = [];
    for (;;) {
      const page = await broker().read(topic, messages.at(-1)?.offset ?? 0, bounds, Infinity);
      messages.push(...page.messages);
      if (page.messages.length === 0) return messages;
    }
  },
  /** Writes a file of a size. */
  fill: ({ path, bytes }: { path: string; bytes: number }): void => writeFileSync(path, Buffer.alloc(bytes, 1)),
  /** The free bytes of a file system. */
  free: (path: string): number => {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  },
  /** Takes on the user and the group of nobody. */
  dropRights: (): void => {
    process.setgid?.(65_534);
    process.setuid?.(65_534);
  },
  close: (): Promise<void> => broker().close(),
  /** Has it outlive its parent's connection if something keeps it alive. */
  endAlone: (): void => void process.off("disconnect", exit),
};

process.on("message", ({ id, name, argument }: { id: number; name: keyof typeof handlers; argument: never }) => {
  void Promise.resolve()
    .then((): unknown => handlers[name](argument))
    .then(
      (result) => process.send?.({ id, result }),
      (error: unknown) => process.send?.({ id, error: `${codeOf(error)} ${(error as Error).message}` }),
    );
});
process.on("disconnect", exit);

function exit(): never {
  process.exit();
}
