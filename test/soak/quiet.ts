/**
 * No runtime closes a quiet stream or a waiting poll with default options: a server of each runtime has a client on each
 * wire, to which nothing is published for two minutes, and then one message.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { streams, type Follower } from "../support/hub.ts";
import { RuntimeProcess } from "../support/runtimes/runtime-process.ts";
import { runtimes, type Runtime } from "../support/runtimes/runtimes.ts";

/** In the short form the silence is shorter than two minutes, but much longer than any idle timeout by default. */
const SILENCE_MS = process.env["SOAK_SECONDS"] === undefined ? 120_000 : 75_000;

/** Polls until a message has come. Resolves to the number of polls that the hub has answered. */
async function poll(server: RuntimeProcess): Promise<number> {
  let position = "";
  for (let polls = 0; ; polls += 1) {
    const query = `topic=t&wire=poll${position === "" ? "" : `&lastEventId=${encodeURIComponent(position)}`}`;
    const { data, end, failure } = await (await server.follow("quiet", query)).ended();
    if (failure !== undefined) throw failure;
    if (data.length > 0) return polls;
    position = end.position;
  }
}

/** Returns what went wrong on a runtime. */
async function faultsOf(runtime: Runtime): Promise<string[]> {
  const server = await RuntimeProcess.start(runtime);
  try {
    await server.order("quiet", { op: "create", options: {} });
    const followers: Follower[] = [];
    for (const wire of streams) {
      followers.push(await (await server.follow("quiet", `topic=t&wire=${wire}`)).begun());
    }
    const polling = poll(server);
    polling.catch(() => undefined);
    await sleep(SILENCE_MS);
    const faults = followers.filter(({ over }) => over).map(({ wire }) => `${wire} was cut`);
    await server.order("quiet", { op: "publish", topic: "t", messages: ["at last"] });
    for (const follower of followers) if (!follower.over) await follower.has(1);
    const polls = await polling.catch((error: unknown) => faults.push(`poll failed: ${String(error)}`));
    console.log(
      `${runtime.name}: heartbeats ${followers.map(({ heartbeats }) => heartbeats).join(", ")}; polls ${polls}`,
    );
    if (server.output !== "") faults.push(`it printed ${server.output}`);
    return faults.map((fault) => `${runtime.name}: ${fault}`);
  } finally {
    await server.stop();
  }
}

const faults = (await Promise.all(runtimes.map(faultsOf))).flat();
for (const fault of faults) console.error(fault);
process.exit(faults.length > 0 ? 1 : 0);
