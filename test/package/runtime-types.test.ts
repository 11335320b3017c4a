import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { installedRuntime, installedTypes } from "../support/runtimes/install.ts";
import { root, run } from "../support/run.ts";

/** A server's module on each runtime, with the runtime's own types and without those of a page. */
const modules = {
  node: `
import { createServer } from "node:http";
import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";
createServer(nodeHandler(new Hub(), () => ({ headers: { "x-a": "1" } }))).listen(0);
`,
  bun: `
import { Hub } from "comet-sockets";
import { bunHandler } from "comet-sockets/bun";
const hub = new Hub();
Bun.serve({ port: 0, fetch: bunHandler(hub, (request, server) => ({ context: server.requestIP(request)?.address })) });
Bun.serve({ port: 0, fetch: hub.fetch });
`,
  workers: `
import { DurableObject } from "cloudflare:workers";
import { cometObject } from "comet-sockets/workers";
interface Env {
  LIVE: DurableObjectNamespace<Live>;
}
export class Live extends cometObject<typeof DurableObject, Env>(DurableObject, {
  hub: (env, name) => ({ authorize: () => env.LIVE !== undefined && name !== undefined }),
}) {
  async announce(): Promise<string> {
    return this.hub.topic<{ title: string }>("news").publish({ title: "Comet returns" });
  }
}
export default {
  async fetch(request, env): Promise<Response> {
    const object = env.LIVE.get(env.LIVE.idFromName("news"));
    await object.publish("news", { title: "Comet returns" });
    await object.announce();
    return object.fetch(request);
  },
} satisfies ExportedHandler<Env>;
`,
  deno: `
import { Hub } from "comet-sockets";
import { denoHandler } from "comet-sockets/deno";
const hub = new Hub();
Deno.serve(denoHandler(hub, (_request, info) => ({ context: info.remoteAddr })));
Deno.serve(hub.fetch);
`,
};

const packages = { node: "@types/node", bun: "@types/bun", workers: "@cloudflare/workers-types" } as const;

describe("the declarations of dist/", () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "comet-sockets-types-"));
    // A copy: Deno takes a link to a folder elsewhere for sources.
    const copy = join(folder, "node_modules/comet-sockets");
    mkdirSync(copy, { recursive: true });
    for (const name of ["package.json", "dist"]) cpSync(join(root, name), join(copy, name), { recursive: true });
    writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
    for (const [name, code] of Object.entries(modules)) writeFileSync(join(folder, `${name}.ts`), code);
    cpSync(join(root, "examples/runtimes"), join(folder, "examples"), { recursive: true });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each(["node", "bun", "workers"] as const)("compile without the DOM, with the types of %s", async (name) => {
    const types = name === "node" ? join(root, "node_modules") : await installedTypes(packages[name]);
    const config = {
      compilerOptions: {
        module: "ESNext",
        moduleResolution: "Bundler",
        target: "ES2022",
        lib: ["ESNext"],
        types: [join(types, packages[name])],
        strict: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: false,
        noEmit: true,
      },
      files: [`${name}.ts`, ...(name === "node" ? [] : [`examples/${name}.ts`])],
    };
    const path = join(folder, `tsconfig.${name}.json`);
    writeFileSync(path, JSON.stringify(config));
    const printed = await run(
      process.execPath,
      [join(root, "node_modules/typescript/bin/tsc"), "-p", path],
      folder,
    ).catch(String);
    expect(printed).toBe("");
  });

  test("pass deno check", async () => {
    writeFileSync(join(folder, "deno.json"), JSON.stringify({ nodeModulesDir: "manual" }));
    await run(await installedRuntime("deno"), ["check", "deno.ts", "examples/deno.ts"], folder);
  });
});
