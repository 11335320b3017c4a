import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The files that take longest, longest first. */
const longest = [
  "browser/client-tabs",
  "browser/demo",
  "browser/bindings",
  "package/tarball",
  "broker/foreign-content",
  "broker/redis-cluster",
  "broker/redis",
  "broker/nats",
  "unit/surfaces/durable-streams-conformance",
  "browser/chat",
  "browser/client-reconnection",
  "browser/client-topics",
  "broker/durable-streams-postgres",
  "broker/durable-streams-sqlite",
  "browser/client-silence",
  "runtimes/workers",
  "runtimes/bun",
];

/** Begins each group with the files that take longest, so that no worker runs one of them while the others are idle. */
class LongestFirst extends BaseSequencer {
  override async sort(specifications: TestSpecification[]): Promise<TestSpecification[]> {
    const orderOf = ({ project }: TestSpecification): number => project.config.sequence.groupOrder;
    const rankOf = ({ moduleId }: TestSpecification): number => {
      const index = longest.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
      return index === -1 ? longest.length : index;
    };
    const sorted = await super.sort(specifications);
    return sorted.toSorted((a, b) => orderOf(a) - orderOf(b) || rankOf(a) - rankOf(b));
  }
}

/** Tests of one process, and of processes which mostly wait: for restarts, expiries and heartbeats. */
const first = { maxWorkers: 4, sequence: { groupOrder: 0 } };
/** Tests of several processes that work: a file may start three browsers. */
const second = { maxWorkers: 3, sequence: { groupOrder: 1 } };

/**
 * The files that the project `compressed` runs: those with streams that its clients accept with gzip. Others would only
 * cost time. `compression-setup.ts` fails the run if one of them has no compressed response.
 */
const compressedTests = [
  "test/unit/hub/{fetch,finite-topics,published-streams,shared-finite-topics}.test.ts",
  "test/unit/hub/admission/{authorize,callbacks,content-coding,event-source,from,gate,headers,places}.test.ts",
  "test/unit/hub/delivery/{connection-life,drain,flush,managed,opening-gap,resume-point}.test.ts",
  "test/unit/hub/topics/{older-messages,replica,topics}.test.ts",
  "test/unit/adapters/node/{address,compression,node-handler,node-handler-headers}.test.ts",
  "test/unit/adapters/{fastify,nest}/*.test.ts",
  "test/unit/client/{across-tabs,chat-transport,comet-source,iteration,topics,topics-that-end}.test.ts",
  "test/unit/surfaces/ai/answers.test.ts",
  "test/unit/surfaces/{durable-doors,durable-streams}.test.ts",
];

const source = (path: string): string => new URL(path, import.meta.url).pathname;

export default defineConfig({
  // The examples and the demo import the package by its name; the tests run them on the sources.
  resolve: {
    alias: [
      { find: /^comet-sockets$/, replacement: source("src/index.ts") },
      { find: /^comet-sockets\/client$/, replacement: source("src/client/index.ts") },
      { find: /^comet-sockets\/react$/, replacement: source("src/client/bindings/react.ts") },
      { find: /^comet-sockets\/vue$/, replacement: source("src/client/bindings/vue.ts") },
      { find: /^comet-sockets\/svelte$/, replacement: source("src/client/bindings/svelte.ts") },
      { find: /^comet-sockets\/solid$/, replacement: source("src/client/bindings/solid.ts") },
      { find: /^comet-sockets\/ai$/, replacement: source("src/surfaces/ai/index.ts") },
      { find: /^comet-sockets\/ai\/client$/, replacement: source("src/client/ai/index.ts") },
      { find: /^comet-sockets\/memory$/, replacement: source("src/brokers/memory/index.ts") },
      { find: /^comet-sockets\/sqlite$/, replacement: source("src/brokers/sqlite/index.ts") },
      { find: /^comet-sockets\/redis$/, replacement: source("src/brokers/redis/index.ts") },
      { find: /^comet-sockets\/nats$/, replacement: source("src/brokers/nats/index.ts") },
      { find: /^comet-sockets\/postgres$/, replacement: source("src/brokers/postgres/index.ts") },
      { find: /^comet-sockets\/fastify$/, replacement: source("src/adapters/fastify/index.ts") },
      { find: /^comet-sockets\/nest$/, replacement: source("src/adapters/nest/index.ts") },
      { find: /^comet-sockets\/bun$/, replacement: source("src/adapters/bun/index.ts") },
      { find: /^comet-sockets\/deno$/, replacement: source("src/adapters/deno/index.ts") },
      { find: /^comet-sockets\/workers$/, replacement: source("src/adapters/workers/index.ts") },
      {
        find: /^comet-sockets\/durable-streams$/,
        replacement: source("src/surfaces/durable-streams/index.ts"),
      },
      { find: /^comet-sockets\/uring$/, replacement: source("src/adapters/node/uring/index.ts") },
      { find: /^comet-sockets\/node$/, replacement: source("src/adapters/node/index.ts") },
    ],
  },
  test: {
    allowOnly: process.env["CI"] !== "true",
    passWithNoTests: false,
    testTimeout: 300_000,
    hookTimeout: 300_000,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: "fast",
          ...first,
          include: ["test/unit/**/*.test.ts", "test/property/**/*.test.ts"],
        },
      },
      {
        // The tests of the hub and of its adapters for Node once more, on a ring of io_uring that sends to every group.
        extends: true,
        test: {
          name: "uring",
          ...first,
          include: ["test/unit/hub/**/*.test.ts", "test/unit/adapters/{node,fastify,nest}/*.test.ts"],
          // The first installs a sender of its own. The second measures the memory of a process without other tests.
          exclude: ["test/unit/hub/delivery/batch-sender.test.ts", "test/unit/hub/topics/memory.test.ts"],
          // A third of the time would be spent on loading the same modules.
          isolate: false,
          setupFiles: ["test/support/force-uring.ts"],
          globalSetup: ["test/support/uring-setup.ts"],
        },
      },
      {
        // Tests whose streams pass through compression once more, with compression for every client that accepts it.
        extends: true,
        test: {
          name: "compressed",
          ...first,
          include: compressedTests,
          env: { COMPRESSION: "all" },
          setupFiles: ["test/support/force-compression.ts"],
          // Half of the time would be spent on loading the same modules.
          isolate: false,
          globalSetup: ["test/support/compression-setup.ts"],
        },
      },
      {
        // Real brokers, and processes of their own.
        extends: true,
        test: {
          name: "broker",
          ...first,
          include: ["test/broker/**/*.test.ts"],
        },
      },
      {
        // Servers on other runtimes, in processes of their own. `npm run test:runtimes` does more of the same.
        extends: true,
        test: {
          name: "runtimes",
          ...second,
          include: ["test/runtimes/**/*.test.ts"],
        },
      },
      {
        extends: true,
        test: {
          name: "browser",
          ...second,
          // The files of a worker share its three browsers, since each launch takes 2 to 7 s of CPU time, and no modules.
          isolate: false,
          setupFiles: ["test/support/fresh-modules.ts"],
          include: ["test/browser/**/*.test.ts"],
        },
      },
      {
        extends: true,
        test: {
          name: "package",
          ...second,
          include: ["test/package/**/*.test.ts"],
        },
      },
    ],
  },
});
