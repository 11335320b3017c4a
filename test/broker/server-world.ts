import { setTimeout as sleep } from "node:timers/promises";
import type { Broker } from "../../src/log/broker.ts";
import { tcpProxy } from "../support/tcp-proxy.ts";
import type { BrokerWorld } from "./contract-world.ts";

/** A server that belongs to one test. */
interface OwnServer {
  readonly port: number;
  kill(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

/** A time limit in milliseconds that outlasts every test. */
export const NEVER_MS = 3_600_000;

/** Time limits of a broker, as its options have them. */
export interface BrokerLimits {
  readonly connectTimeoutMs: number;
  readonly heartbeatMs: number;
  readonly timeoutMs: number;
}

/** Short limits, so that a silent network is detected soon. Only tests in which the connection is lost use them. */
export const impatient: BrokerLimits = { connectTimeoutMs: 6000, heartbeatMs: 1500, timeoutMs: 6000 };

/** Limits under which a slow machine loses no connection. A client that hangs as it connects is given up before a test is. */
export const patient: BrokerLimits = { connectTimeoutMs: 20_000, heartbeatMs: 100_000, timeoutMs: 300_000 };

/**
 * A server for the contract suite, which `restart` kills, behind a network that can fail.
 *
 * @param join Creates a broker that connects to a port.
 */
export async function serverWorld(server: OwnServer, join: (port: number) => Promise<Broker>): Promise<BrokerWorld> {
  const network = await tcpProxy(server.port);
  const brokers: Broker[] = [];
  return {
    network,
    connect: async () => {
      const broker = await join(network.port);
      brokers.push(broker);
      return broker;
    },
    restart: async (downMs) => {
      await server.kill();
      await sleep(downMs);
      await server.start();
    },
    close: async () => {
      for (const broker of brokers) await broker.close();
      await network.close();
      await server.close();
    },
  };
}
