/**
 * Two builds of comet-sockets, one pair: each build has a server process of its own and as many clients. Both servers run on one core
 * and take turns under each load, some publishes at a time, so that whatever else the machine does meets both alike.
 */
import { variantNamed } from "../catalogue.ts";
import { startNodeServer, type Server } from "../servers/server.ts";
import { Publisher, type Load } from "./publisher.ts";
import { takeTurns, type Side } from "./take-turns.ts";
import { connectCrowd, inTrialOf, type TrialSpec } from "./trial.ts";

export interface PairSpec extends TrialSpec {
  readonly connections: number;
  readonly loads: readonly Load[];
  /** The folders of the builds, in the order in which they start and take their turns. */
  readonly dists: readonly string[];
}

/** For each load, the CPU time of each server for each delivery of a message, in microseconds, in the order of the builds. */
export type PairResult = { readonly [load: string]: readonly number[] };

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
