import { describe } from "vitest";
import { boundsContract } from "./contract-bounds.ts";
import { closeContract } from "./contract-close.ts";
import { finiteContract } from "./contract-finite.ts";
import { listenContract } from "./contract-listen.ts";
import { messageIdContract } from "./contract-message-ids.ts";
import { modelContract } from "./contract-model.ts";
import { networkContract } from "./contract-network.ts";
import { orderContract } from "./contract-order.ts";
import { renewContract } from "./contract-renew.ts";
import { restartContract } from "./contract-restart.ts";
import { valuesContract } from "./contract-values.ts";
import type { BrokerTraits, BrokerWorld } from "./contract-world.ts";
import { impatient, patient, type BrokerLimits } from "./server-world.ts";

export type { BrokerTraits, BrokerWorld } from "./contract-world.ts";

/**
 * Tests that a broker keeps the contract of `src/log/broker.ts`. It opens several worlds, one after the other. Each uses topic names of
 * its own, so that the worlds may share a server.
 *
 * @param openWorld Opens a world, whose brokers have these time limits if they have any.
 * @param traits The capabilities of the broker that differ from the defaults: it has a server, and trims by bytes.
 */
export function brokerContract(
  name: string,
  openWorld: (limits: BrokerLimits) => Promise<BrokerWorld>,
  traits: Partial<BrokerTraits> = {},
): void {
  const all: BrokerTraits = {
    trimsByBytes: true,
    renewsTopics: true,
    hasServer: true,
    hasNetwork: false,
    keepsFinite: false,
    ...traits,
  };
  const open = (): Promise<BrokerWorld> => openWorld(patient);
  const openImpatient = (): Promise<BrokerWorld> => openWorld(impatient);
  describe(`the contract of brokers: ${name}`, () => {
    describe("order", () => orderContract(open));
    describe("values", () => valuesContract(open));
    describe("message ids", () => messageIdContract(open));
    describe("bounds", () => boundsContract(open, all));
    describe("listening", () => listenContract(open));
    describe("epochs", () => renewContract(open, all));
    describe("a model", () => modelContract(open, all));
    if (all.keepsFinite) describe("topics that end", () => finiteContract(open, all));
    describe("close", () => closeContract(open));
    if (all.hasServer) describe("a server that is down for a while", () => restartContract(openImpatient));
    if (all.hasNetwork) describe("a network that fails", () => networkContract(openImpatient));
  });
}
