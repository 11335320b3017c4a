import { readdirSync, readFileSync } from "node:fs";
import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { root } from "../support/run.ts";

const folder = join(root, "examples");
const readme = readFileSync(join(root, "README.md"), "utf8");

test("there are six, numbered, of under 15 lines each, and the README shows each as it is", () => {
  const files = readdirSync(folder)
    .filter((name) => /^\d/.test(name))
    .sort();
  expect(files).toEqual([
    "1-manual.ts",
    "2-enumeratee.ts",
    "3-helper.ts",
    "4-forever-iframe.html",
    "4-forever-iframe.ts",
    "5-own-message-type.ts",
    "6-hub.ts",
  ]);
  for (const file of files) {
    const code = readFileSync(join(folder, file), "utf8");
    expect(code.trimEnd().split("\n").length).toBeLessThan(15);
    expect(readme).toContain(`\n${code.trimEnd()}\n\`\`\``);
  }
});

const padding = `${" ".repeat(5120)}<html><body>`;

test.each([
  [
    "1-manual",
    "/",
    "<script>console.log('kiki')</script><script>console.log('foo')</script><script>console.log('bar')</script>",
  ],
  [
    "2-enumeratee",
    "/",
    "<script>console.log('kiki')</script><script>console.log('foo')</script><script>console.log('bar')</script>",
  ],
  [
    "3-helper",
    "/",
    `${padding}<script>console.log('kiki');</script><script>console.log('foo');</script><script>console.log('bar');</script>`,
  ],
  ["4-forever-iframe", "/", readFileSync(join(folder, "4-forever-iframe.html"), "utf8")],
  [
    "4-forever-iframe",
    "/comet",
    `${padding}<script>parent.cometMessage('kiki');</script><script>parent.cometMessage('foo');</script><script>parent.cometMessage('bar');</script>`,
  ],
  [
    "5-own-message-type",
    "/",
    `${padding}<script>console.log({"at":"1970-01-01T00:00:00.000Z","celsius":21.5});</script>`,
  ],
])("%s answers %s", async (name, path, body) => {
  vi.stubEnv("PORT", "0");
  vi.resetModules();
  const { server } = (await import(join(folder, `${name}.ts`))) as { server: Server };
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
    vi.unstubAllEnvs();
  });
  if (!server.listening) await once(server, "listening");
  const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`);
  expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(await response.text()).toBe(body);
});

test("6-hub answers with its topic", async () => {
  vi.stubEnv("PORT", "0");
  vi.resetModules();
  const { server } = (await import(join(folder, "6-hub.ts"))) as { server: Server };
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
    vi.unstubAllEnvs();
  });
  if (!server.listening) await once(server, "listening");
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/?topic=news&from=oldest&wire=poll`;
  const items = (await (await fetch(address)).json()) as unknown[];
  expect(items[1]).toMatchObject({ data: { title: "Comet returns" } });
});
