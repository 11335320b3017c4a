/**
 * A way and its control on one runtime, one pair: each has a server process of its own and as many clients. Both servers run on one
 * core and take turns, some publishes at a time. A process of its own, which is the load generator too.
 */
import { fileURLToPath } from "node:url";
import { eventSource, webSocket } from "../fanout/clients/greeting.ts";
import { startLineServer, type Server } from "../fanout/servers/server.ts";
import { Publisher, type Load } from "../fanout/trials/publisher.ts";
import { costsOf, type PairResult, type Side } from "../fanout/trials/take-turns.ts";
import { connectCrowd, inTrialOf } from "../fanout/trials/trial.ts";
import { commandOf, type RuntimeName, type Way } from "./ways.ts";

export interface RuntimePairSpec {
  readonly runtime: RuntimeName;
  /** The ways, in the order in which they start and take their turns. */
  readonly ways: readonly Way[];
  readonly cores: readonly [server: number, load: number];
  readonly connections: number;
  readonly loads: readonly Load[];
}

const script = fileURLToPath(new URL("server.ts", import.meta.url));

await inTrialOf<RuntimePairSpec, { readonly servers: readonly Server[]; stop(): void }, PairResult>(
  async ({ runtime, ways, cores }) => {
    const command = await commandOf(runtime);
    const servers = await Promise.all(ways.map((way) => startLineServer([...command, script, way], cores[0])));
    const stop = (): void => {
      for (const server of servers) server.stop();
    };
    return { servers, stop };
  },
  async ({ ways, connections, loads }, { servers }) => {
    const sides: Side[] = [];
    for (const [i, server] of servers.entries()) {
      const path = ways[i] === "fetch" || ways[i] === "adapter" ? "/?topic=bench" : "/";
      const greeting = ways[i] === "websocket" ? webSocket() : eventSource(path);
      const { crowd } = await connectCrowd(server, greeting, connections);
      sides.push({ server, publisher: new Publisher(server, crowd), cpuUs: 0 });
    }
    return costsOf(sides, loads, connections);
  },
);
