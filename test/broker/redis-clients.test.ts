import { Redis } from "ioredis";
import { createClient } from "redis";
import { describe } from "vitest";
import { fromIoredis } from "../../examples/guides/ioredis.ts";
import { redisBroker } from "../../src/brokers/redis/index.ts";
import { startRedis } from "../support/redis.ts";
import { listenContract } from "./contract-listen.ts";
import { messageIdContract } from "./contract-message-ids.ts";
import { modelContract } from "./contract-model.ts";
import { orderContract } from "./contract-order.ts";
import { renewContract } from "./contract-renew.ts";
import { valuesContract } from "./contract-values.ts";
import { brokerContract, type BrokerTraits, type BrokerWorld } from "./contract.ts";
import { patient, serverWorld } from "./server-world.ts";

const password = "of ioredis";

brokerContract(
  "redis by ioredis",
  async (limits) =>
    serverWorld(await startRedis({ persistent: true, password }), (port) =>
      redisBroker({
        client: fromIoredis(new Redis({ host: "127.0.0.1", port, password, lazyConnect: true })),
        ...limits,
      }),
    ),
  { keepsFinite: true },
);

// The other parts of the contract are about the scripts, which do not depend on the protocol.
describe("the parts of the contract that depend on the form of replies: redis by its older protocol", () => {
  const traits: BrokerTraits = {
    trimsByBytes: true,
    renewsTopics: true,
    hasServer: false,
    hasNetwork: false,
    keepsFinite: true,
  };
  const open = async (): Promise<BrokerWorld> =>
    serverWorld(await startRedis(), (port) =>
      redisBroker({ client: createClient({ url: `redis://127.0.0.1:${port}`, RESP: 2 }), ...patient }),
    );
  describe("order", () => orderContract(open));
  describe("values", () => valuesContract(open));
  describe("message ids", () => messageIdContract(open));
  describe("listening", () => listenContract(open));
  describe("epochs", () => renewContract(open, traits));
  describe("a model", () => modelContract(open, traits));
});
