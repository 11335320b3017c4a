import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemPath } from "./system-packages.ts";

/** A certificate and its key: the paths of their files. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority of its own, which has signed a certificate of a server and one of a client. Its caller removes it. */
export interface Authority {
  /** The path of its certificate, and the certificate. */
  readonly path: string;
  readonly pem: string;
  /** For 127.0.0.1 and localhost. */
  readonly server: Certificate;
  readonly client: Certificate;
  remove(): void;
}

export function createAuthority(): Authority {
  const folder = mkdtempSync(join(tmpdir(), "comet-authority-"));
  const pathsOf = (name: string): Certificate => ({
    cert: join(folder, `${name}.pem`),
    key: join(folder, `${name}.key`),
  });
  const [authority, server, client] = [pathsOf("authority"), pathsOf("server"), pathsOf("client")];
  const create = ({ cert, key }: Certificate, ...more: string[]): void => {
    const kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    execFileSync(systemPath("openssl"), [...kind, "-out", cert, "-keyout", key, ...more], { stdio: "ignore" });
  };
  const signed = ["-CA", authority.cert, "-CAkey", authority.key, "-addext", "basicConstraints=critical,CA:FALSE"];
  create(authority, "-subj", "/CN=An authority of a test");
  create(server, "-subj", "/CN=server", ...signed, "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost");
  create(client, "-subj", "/CN=client", ...signed);
  return {
    path: authority.cert,
    pem: readFileSync(authority.cert, "utf8"),
    server,
    client,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
