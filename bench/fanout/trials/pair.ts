/**
 * Two builds of comet-sockets, one pair: each build has a server process of its own and as many clients. Both servers run on one core
 * and take turns under each load, some publishes at a time, so that whatever else the machine does meets both alike.
 */
import { variantNamed } from "../catalogue.ts";
import { startNodeServer, type Server } from "../servers/server.ts";
import { Publisher, type Load } from "./publisher.ts";
import { costsOf, type PairResult, type Side } from "./take-turns.ts";
import { connectCrowd, inTrialOf, type TrialSpec } from "./trial.ts";

export interface PairSpec extends TrialSpec {
  readonly connections: number;
  readonly loads: readonly Load[];
  /** The folders of the builds, in the order in which they start and take their turns. */
  readonly dists: readonly string[];
}

await inTrialOf<PairSpec, { readonly servers: readonly Server[]; stop(): void }, PairResult>(
  async ({ variant, dists, cores }) => {
    const isPerTopic = variantNamed(variant).isPerTopic === true;
    const start = (dist: string): Promise<Server> =>
      isPerTopic
        ? startNodeServer("ours-topics.ts", [dist], cores[0])
        : startNodeServer("ours.ts", ["0", "0", dist], cores[0]);
    const servers = await Promise.all(dists.map(start));
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
    return costsOf(sides, loads, connections);
  },
);
