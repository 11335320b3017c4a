import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { connect, type Http2SecureServer } from "node:http2";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { expect, onTestFinished, test, vi } from "vitest";
import { root } from "../support/run.ts";
import { certificate } from "../support/servers.ts";

test("examples/http2.ts answers over HTTP/2, with a stream limit, and over HTTP/1.1", async () => {
  const folder = mkdtempSync(join(tmpdir(), "comet-http2-"));
  const { key, cert } = certificate();
  writeFileSync(join(folder, "key.pem"), key);
  writeFileSync(join(folder, "cert.pem"), cert);
  vi.stubEnv("PORT", "0");
  vi.stubEnv("TLS_KEY", join(folder, "key.pem"));
  vi.stubEnv("TLS_CERT", join(folder, "cert.pem"));
  const { server } = (await import(join(root, "examples/http2.ts"))) as { server: Http2SecureServer };
  onTestFinished(() => {
    server.close();
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });
  if (!server.listening) await once(server, "listening");
  const origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const trust = { ca: cert, checkServerIdentity: () => undefined };
  const path = "/?topic=news&from=oldest&wire=poll";
  const expected = [{ open: {} }, { data: { title: "Comet returns" } }, { end: { reason: "poll" } }];

  const session = connect(origin, trust);
  const [settings] = (await once(session, "remoteSettings")) as [{ maxConcurrentStreams: number }];
  expect(settings.maxConcurrentStreams).toBe(100);
  expect(await json(session.request({ ":path": path }))).toMatchObject(expected);
  session.close();

  const asked = request(`${origin}${path}`, { ...trust, agent: false }).end();
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  expect(response.httpVersion).toBe("1.1");
  expect(await json(response)).toMatchObject(expected);
});
