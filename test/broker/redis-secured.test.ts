import { readFileSync } from "node:fs";
import { createClient, type RedisClientOptions } from "redis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { redisBroker, type RedisClient } from "../../src/brokers/redis/index.ts";
import type { Broker } from "../../src/log/broker.ts";
import { createAuthority, type Authority } from "../support/certificates.ts";
import { freePort } from "../support/free-port.ts";
import { startRedis, type RedisServer } from "../support/redis.ts";
import { errorOf, expectCode } from "../support/sources.ts";
import { finiteContract } from "./contract-finite.ts";
import { listenContract } from "./contract-listen.ts";
import { messageIdContract } from "./contract-message-ids.ts";
import { renewContract } from "./contract-renew.ts";
import type { BrokerTraits, BrokerWorld } from "./contract.ts";

/** The user that docs/brokers.md lists. */
const [user = ""] = /(?<=ACL SETUSER )hub [^`]*/.exec(readFileSync("docs/brokers.md", "utf8")) ?? [];

const traits: BrokerTraits = {
  trimsByBytes: true,
  renewsTopics: true,
  hasServer: false,
  hasNetwork: false,
  keepsFinite: true,
};

describe("Redis with TLS and client certificates, for a user with exactly the permissions of the guide,", () => {
  let authority: Authority;
  let server: RedisServer;
  let port: number;

  beforeAll(async () => {
    authority = createAuthority();
    port = await freePort();
    const { server: own } = authority;
    const tls = ["--tls-port", String(port), "--tls-ca-cert-file", authority.path, "--tls-auth-clients", "yes"];
    const keys = ["--tls-cert-file", own.cert, "--tls-key-file", own.key];
    server = await startRedis({ settings: [...tls, ...keys] });
    await server.cli("ACL", "SETUSER", ...user.trim().split(/\s+/));
  });
  afterAll(async () => {
    await server.close();
    authority.remove();
  });

  /** @param more Options of the TLS socket that differ. */
  function client(more: object = {}): RedisClient {
    const [cert, key] = [readFileSync(authority.client.cert), readFileSync(authority.client.key)];
    const socket = { host: "127.0.0.1", port, tls: true, ca: authority.pem, cert, key, ...more };
    return createClient({
      username: "hub",
      password: "secret",
      socket: socket as RedisClientOptions["socket"] & object,
    });
  }

  const open = (): Promise<BrokerWorld> => {
    const brokers: Broker[] = [];
    return Promise.resolve({
      connect: async () => {
        const broker = await redisBroker({ client: client() });
        brokers.push(broker);
        return broker;
      },
      close: async () => {
        for (const broker of brokers) await broker.close();
      },
    });
  };

  describe("listening", () => listenContract(open));
  describe("message ids", () => messageIdContract(open));
  describe("epochs", () => renewContract(open, traits));
  describe("topics that end", () => finiteContract(open, traits));

  test("denies nothing that a hub does", async () => {
    const clients = (await server.cli("CLIENT", "LIST")).split("\n");
    expect(clients.filter((line) => !line.includes("cmd=client|list"))).toEqual([]);
    expect(await server.cli("ACL", "LOG")).toBe("");
  });

  test.each([
    ["of another authority", { ca: [] }],
    ["for another name", { servername: "elsewhere.test" }],
  ])("is refused if its certificate is %s", async (_, options) => {
    const message = /^Redis refuses to connect: .*certificate/;
    await expectCode("ERR_BROKER_CONFIG", () => redisBroker({ client: client(options) }), message);
  });

  test("refuses a client without a certificate", async () => {
    // The server may close the connection before its reason arrives.
    const error = await errorOf(() => redisBroker({ client: client({ cert: undefined, key: undefined }) }));
    expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_BROKER(_CONFIG)?$/) as string });
  });

  test("refuses a password that is wrong", async () => {
    const wrong = createClient({ username: "hub", password: "wrong", url: server.url.replace("//", "//hub:wrong@") });
    await expectCode("ERR_BROKER_CONFIG", () => redisBroker({ client: wrong }), /WRONGPASS/);
  });
});
