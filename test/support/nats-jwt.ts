import { createHash } from "node:crypto";
import { nkeys } from "@nats-io/transport-node";

type KeyPair = ReturnType<typeof nkeys.createUser>;

/** An operator with one account, which may use JetStream, and one user: credentials without a secret at the server. */
export interface NatsOperator {
  /** Lines of a server's configuration. */
  readonly configuration: string;
  /** The content of a `.creds` file of a new user. */
  createUser(): Uint8Array;
}

export function createOperator(): NatsOperator {
  const [operator, account, system] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createAccount()];
  const unlimited = Object.fromEntries(["subs", "data", "payload", "imports", "exports", "conn", "leaf"].map(all));
  const jetStream = Object.fromEntries(["mem_storage", "disk_storage", "streams", "consumer"].map(all));
  const accountOf = (pair: KeyPair, limits: object): string =>
    sign(operator, pair.getPublicKey(), { type: "account", limits: { ...unlimited, wildcards: true, ...limits } });
  const preloads = [
    [account, accountOf(account, jetStream)],
    [system, accountOf(system, {})],
  ] as const;
  return {
    configuration: [
      `operator: "${sign(operator, operator.getPublicKey(), { type: "operator" })}"`,
      `system_account: "${system.getPublicKey()}"`,
      "resolver: MEMORY",
      `resolver_preload: { ${preloads.map(([pair, jwt]) => `${pair.getPublicKey()}: "${jwt}"`).join(", ")} }`,
    ].join("\n"),
    createUser: () => {
      const user = nkeys.createUser();
      const jwt = sign(account, user.getPublicKey(), {
        type: "user",
        subs: -1,
        data: -1,
        payload: -1,
        pub: {},
        sub: {},
      });
      const seed = new TextDecoder().decode(user.getSeed());
      const part = (name: string, content: string): string =>
        `-----BEGIN ${name}-----\n${content}\n------END ${name}------\n`;
      return new TextEncoder().encode(`${part("NATS USER JWT", jwt)}\n${part("USER NKEY SEED", seed)}`);
    },
  };
}

function all(limit: string): [string, number] {
  return [limit, -1];
}

/** A token of NATS: claims that the issuer has signed. */
function sign(issuer: KeyPair, subject: string, claims: object): string {
  const text = (part: object): string => Buffer.from(JSON.stringify(part)).toString("base64url");
  const body = {
    iat: Math.floor(Date.now() / 1000),
    iss: issuer.getPublicKey(),
    name: "test",
    sub: subject,
    nats: { ...claims, version: 2 },
  };
  const jti = createHash("sha256").update(JSON.stringify(body)).digest("hex");
  const signed = `${text({ typ: "JWT", alg: "ed25519-nkey" })}.${text({ ...body, jti })}`;
  return `${signed}.${Buffer.from(issuer.sign(Buffer.from(signed))).toString("base64url")}`;
}
