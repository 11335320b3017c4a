import { credsAuthenticator, nkeyAuthenticator, nkeys, type NodeConnectionOptions } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { natsBroker } from "../../src/brokers/nats/index.ts";
import { createAuthority, type Authority } from "../support/certificates.ts";
import { startNats, type NatsServer } from "../support/nats.ts";
import { createOperator } from "../support/nats-jwt.ts";
import { errorOf, expectCode, until } from "../support/sources.ts";
import { ending, freshTopic, kept, Process } from "./contract-world.ts";

const [user, other] = [nkeys.createUser(), nkeys.createUser()];
const operator = createOperator();
let authority: Authority;
let servers: { readonly users: NatsServer; readonly token: NatsServer; readonly operator: NatsServer };

beforeAll(async () => {
  authority = createAuthority();
  const { server } = authority;
  const tls = `tls { cert_file: "${server.cert}", key_file: "${server.key}", ca_file: "${authority.path}", verify: true }`;
  const start = (lines: string): Promise<NatsServer> => startNats({ configuration: `${tls}\n${lines}` });
  const [users, token, byOperator] = await Promise.all([
    start(`authorization { users: [{ user: hub, password: "a secret" }, { nkey: ${user.getPublicKey()} }] }`),
    start(`authorization { token: "a token" }`),
    start(operator.configuration),
  ]);
  servers = { users, token, operator: byOperator };
});
afterAll(async () => {
  await Promise.all(Object.values(servers).map((server) => server.close()));
  authority.remove();
});

/** @param options The credentials, and options of TLS that differ. */
function connection(server: keyof typeof servers, options: NodeConnectionOptions): NodeConnectionOptions {
  const { cert: certFile, key: keyFile } = authority.client;
  const tls = { caFile: authority.path, certFile, keyFile, ...options.tls };
  return { servers: `127.0.0.1:${servers[server].port}`, ...options, tls };
}

const credentials: readonly (readonly [
  string,
  keyof typeof servers,
  () => NodeConnectionOptions,
  () => NodeConnectionOptions,
])[] = [
  ["a user and a password", "users", () => ({ user: "hub", pass: "a secret" }), () => ({ user: "hub", pass: "wrong" })],
  [
    "an nkey",
    "users",
    () => ({ authenticator: nkeyAuthenticator(user.getSeed()) }),
    () => ({ authenticator: nkeyAuthenticator(other.getSeed()) }),
  ],
  ["a token", "token", () => ({ token: "a token" }), () => ({ token: "wrong" })],
  [
    "a file of credentials",
    "operator",
    () => ({ authenticator: credsAuthenticator(operator.createUser()) }),
    () => ({ authenticator: credsAuthenticator(createOperator().createUser()) }),
  ],
];

describe.each(credentials)("the broker on NATS with TLS and %s", (_, server, right, wrong) => {
  test("publishes, reads, listens, signals, ends a topic, and reconnects", async () => {
    const join = async (): Promise<Process> =>
      new Process(await natsBroker({ connection: connection(server, right()), heartbeatMs: 200 }));
    const [a, b] = [await join(), await join()];
    const [topic, finite] = [freshTopic("t"), freshTopic("finite")];
    const ear = await b.listen(topic);
    await a.publish(topic, "1");
    await until(() => ear.jsons.includes("1"));
    a.signal("hello");
    await until(() => b.signals.includes("hello"));
    expect(await a.acquire(finite, "fence")).toBe("acquired");
    await a.renewLease(finite, "fence");
    await a.publish(finite, ending("complete"), kept);
    expect((await b.read(finite, 0, kept)).messages).toHaveLength(1);
    await servers[server].kill();
    await until(() => b.told.at(-1) === "lost" && a.told.at(-1) === "lost");
    await servers[server].start();
    await until(() => b.told.at(-1) === "restored" && a.told.at(-1) === "restored");
    await a.publish(topic, "2");
    await until(() => ear.jsons.at(-1) === "2");
    for (const process of [a, b]) {
      await process.close();
      expect(process.faults).toEqual([]);
    }
  });

  test("is refused if they are wrong", async () => {
    const start = () => natsBroker({ connection: connection(server, wrong()) });
    await expectCode("ERR_BROKER_CONFIG", start, /^The NATS server refuses the client: .*Authorization/i);
  });
});

describe("the broker on NATS with TLS", () => {
  const own = { user: "hub", pass: "a secret" };

  test("is refused if the certificate is of another authority", async () => {
    const start = () =>
      natsBroker({ connection: connection("users", { ...own, tls: { caFile: authority.client.cert } }) });
    await expectCode("ERR_BROKER_CONFIG", start, /^The NATS server refuses the client: .*certificate/);
  });

  test("refuses a client without a certificate", async () => {
    const { users } = servers;
    const tls = { caFile: authority.path };
    const start = () => natsBroker({ connection: { servers: `127.0.0.1:${users.port}`, ...own, tls } });
    // The server may close the connection before its reason arrives.
    expect(await errorOf(start)).toMatchObject({ code: expect.stringMatching(/^ERR_BROKER(_CONFIG)?$/) as string });
  });
});
