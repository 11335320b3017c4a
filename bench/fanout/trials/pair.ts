/**
 * Two builds of comet-sockets, one pair: each build has a server process of its own and as many clients. Both servers run on one core
 * and take turns under each load, some publishes at a time, so that whatever else the machine does meets both alike.
 */
import { usageBetween } from "../../support/usage.ts";
import { variantNamed } from "../catalogue.ts";
import { startNodeServer, type Server } from "../servers/server.ts";
import { Publisher, type Load } from "./publisher.ts";
import { connectCrowd, inTrialOf, type TrialSpec } from "./trial.ts";

export interface PairSpec extends TrialSpec {
  readonly connections: number;
  readonly loads: readonly Load[];
  /** The folders of the builds, in the order in which they start and take their turns. */
  readonly dists: readonly string[];
}

/** For each load, the CPU time of each server for each delivery of a message, in microseconds, in the order of the builds. */
export type PairResult = { readonly [load: string]: readonly number[] };

/** How many publishes a server has in a turn: enough for what the other server has left in the caches not to count. */
const PUBLISHES_A_TURN = 10;

interface Side {
  readonly server: Server;
  readonly publisher: Publisher;
  cpuUs: number;
}

/** Publishes through each server in turn, and the other way round in every second turn. */
async function takeTurns(sides: readonly Side[], load: Load, publishes: number): Promise<void> {
  for (let turn = 0; turn < publishes / PUBLISHES_A_TURN; turn += 1) {
    for (const side of turn % 2 === 0 ? sides : sides.toReversed()) {
      const before = await side.server.usage();
      await side.publisher.publish(load, PUBLISHES_A_TURN);
      const { user, system } = usageBetween(before, await side.server.usage());
      side.cpuUs += user + system;
    }
  }
}

await inTrialOf<PairSpec, { readonly servers: readonly Server[]; stop(): void }, PairResult>(
  async ({ dists, cores }) => {
    const servers = await Promise.all(dists.map((dist) => startNodeServer("ours.ts", ["0", "0", dist], cores[0])));
    const stop = (): void => {
      for (const server of servers) server.stop();
    };
    return { servers, stop };
  },
  async ({ variant, connections, loads }, { servers }) => {
    const sides: Side[] = [];
    for (const server of servers) {
      const { crowd } = await connectCrowd(server, variantNamed(variant).greeting(), connections);
      sides.push({ server, publisher: new Publisher(server, crowd), cpuUs: 0 });
    }
    for (const { publisher } of sides) await publisher.check();
    const costs: Record<string, readonly number[]> = {};
    for (const load of loads) {
      await takeTurns(sides, load, load.warmUps);
      for (const side of sides) side.cpuUs = 0;
      await takeTurns(sides, load, load.publishes);
      costs[load.name] = sides.map(({ cpuUs }) => cpuUs / (load.publishes * load.perTurn * connections));
    }
    return costs;
  },
);
