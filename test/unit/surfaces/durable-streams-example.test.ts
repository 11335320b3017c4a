import { readFileSync } from "node:fs";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { root } from "../../support/run.ts";
import { Follower } from "../../support/hub.ts";

/** The example's client, which is JavaScript. */
const client: string = "../../../examples/durable-streams/client.mjs";

/** Starts the example's server on a free port. */
async function serveExample(): Promise<string> {
  vi.stubEnv("PORT", "0");
  const { server } = await import("../../../examples/durable-streams/server.ts");
  onTestFinished(() => {
    vi.unstubAllEnvs();
    server.closeAllConnections();
    server.close();
  });
  if (!server.listening) await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("writes a stream with the official client, and reads it by that and as a topic", async () => {
  const origin = await serveExample();
  const { read, write } = (await import(client)) as {
    readonly write: (url: string, token: string, lines: readonly string[]) => Promise<void>;
    readonly read: (url: string, onLine: (line: string) => void) => Promise<void>;
  };
  const url = `${origin}/streams/job`;
  expect((await fetch(url, { method: "PUT" })).status).toBe(401);
  await write(url, "secret", ["one", "two", "three"]);
  const lines: string[] = [];
  await read(url, (line) => lines.push(line));
  expect(lines).toEqual(["one", "two", "three"]);
  const follower = await (await Follower.fetch(`${origin}/live?topic=job&wire=ndjson`)).ended();
  expect(follower.data).toEqual([{ line: "one" }, { line: "two" }, { line: "three" }]);
});

test("is shown unchanged in docs/durable-streams.md", () => {
  const text = readFileSync(join(root, "docs/durable-streams.md"), "utf8");
  for (const path of ["examples/durable-streams/server.ts", "examples/durable-streams/client.mjs"]) {
    expect(text).toContain(`${path}\n${readFileSync(join(root, path), "utf8")}\`\`\``);
  }
});
