/**
 * Control: what the client library of an engine does by itself, with none of ours. A publish is what stores a message and tells of it; it
 * is acknowledged when the server says that it is stored.
 */
import { nowUs } from "../../fanout/messages.ts";
import { Sample } from "../../fanout/clients/sample.ts";
import type { Engine } from "../engines.ts";
import { host, type Publisher } from "./host.ts";

interface Bare extends Publisher {
  readonly follow: (topic: string, listener: (text: string) => void) => Promise<void>;
}

const [engine, url = ""] = process.argv.slice(2) as [Engine, string?];

/** A stream of some length, and a channel, in one turn: both are sent in one piece. */
async function bareRedis(): Promise<Bare> {
  const { createClient } = await import("redis");
  const client = await createClient({ url }).connect();
  const subscriber = await client.duplicate().connect();
  return {
    publish: (topic, text) =>
      Promise.all([
        client.sendCommand(["XADD", topic, "MAXLEN", "~", "4096", "*", "data", text]),
        client.sendCommand(["PUBLISH", `to-${topic}`, text]),
      ]),
    follow: async (topic, listener) => {
      await subscriber.subscribe(`to-${topic}`, listener);
    },
  };
}

/** A stream in a file, as the broker makes it, and a plain subscription to what is sent to it. */
async function bareNats(): Promise<Bare> {
  const { connect } = await import("@nats-io/transport-node");
  const { jetstream, jetstreamManager } = await import("@nats-io/jetstream");
  const connection = await connect({ servers: url });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: "bare", subjects: ["bare.>"], max_msgs_per_subject: 4096 });
  const stream = jetstream(connection);
  return {
    publish: (topic, text) => stream.publish(`bare.${topic}`, text),
    follow: async (topic, listener) => {
      connection.subscribe(`bare.${topic}`, { callback: (_, message) => listener(message.string()) });
      await connection.flush();
    },
  };
}

const bare = await (engine === "redis" ? bareRedis() : bareNats());
const sample = new Sample();
let heard = 0;
let lastAt = 0;

host({ port: 0 }, bare, {
  follow: async ({ topic }: { topic: string }) => {
    await bare.follow(topic, (text) => {
      sample.read(Buffer.from(text, "latin1"));
      heard += 1;
      lastAt = nowUs();
    });
    return {};
  },
  forget: () => {
    sample.reset();
    return {};
  },
  heard: () => ({ heard, lastAt, delaysUs: sample.delaysUs }),
});
