import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { EventSource } from "eventsource";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { startExample } from "../support/example-process.ts";
import { freePort } from "../support/free-port.ts";
import { startNats } from "../support/nats.ts";
import { startRedis } from "../support/redis.ts";
import { installedNode, nodeVersions } from "../support/installed-node.ts";
import { root, run } from "../support/run.ts";
import { refusal } from "../support/uring.ts";

const consumers = join(root, "test/package/consumers");
const readme = readFileSync(join(root, "README.md"), "utf8");
let folder: string;
let tarball: string;
let files: readonly { readonly path: string }[];

/** Packs the package as it would be published, and installs it in a project of its own. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "comet-sockets-package-"));
  const output = await run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder]);
  const packed: unknown = JSON.parse(output);
  const [entry] = (Array.isArray(packed) ? packed : Object.values(packed as object)) as {
    filename: string;
    files: { path: string }[];
  }[];
  if (entry === undefined) throw new Error(`npm pack printed ${output}`);
  files = entry.files;
  tarball = join(folder, entry.filename);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "consumer", private: true, type: "module" }));
  await run("npm", ["install", "--no-audit", "--no-fund", "--offline", tarball], folder);
  for (const name of ["runtime.mjs", "types.ts"]) copyFileSync(join(consumers, name), join(folder, name));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the tarball", () => {
  test("holds exactly the published files", () => {
    const others = files.map(({ path }) => path).filter((path) => !/^(dist|src|docs|examples)\//.test(path));
    expect(others.sort()).toEqual([
      "CHANGELOG.md",
      "CONTRIBUTING.md",
      "LICENSE",
      "PROTOCOL.md",
      "README.md",
      "SECURITY.md",
      "package.json",
    ]);
    for (const entry of [
      "dist/index.js",
      "dist/index.d.ts",
      "dist/index.js.map",
      "dist/stream/index.js",
      "dist/index.js",
      "dist/client/index.js",
      "dist/client/bindings/react.js",
      "dist/client/bindings/vue.js",
      "dist/client/bindings/svelte.js",
      "dist/client/bindings/solid.js",
      "dist/client.global.js",
      "dist/client.global.js.map",
      "dist/adapters/node/index.js",
      "dist/surfaces/ai/index.js",
      "dist/client/ai/index.js",
      "dist/brokers/redis/index.js",
      "dist/brokers/sqlite/index.js",
      // The worker thread loads it by its address.
      "dist/brokers/sqlite/worker.js",
      "dist/brokers/nats/index.js",
      "dist/brokers/postgres/index.js",
    ]) {
      expect(files.map(({ path }) => path)).toContain(entry);
    }
  });

  test("holds every file that the README links to or shows", () => {
    const paths = files.map(({ path }) => path);
    const links = Array.from(readme.matchAll(/\]\((?!https?:|#)([^)#]+)/g), ([, link = ""]) => link);
    const examples = Array.from(readme.matchAll(/^```\w+ (\S+)$/gm), ([, path = ""]) => path);
    expect(Math.min(links.length, examples.length)).toBeGreaterThan(0);
    const isHeld = (link: string): boolean => paths.some((path) => path === link || path.startsWith(`${link}/`));
    expect([...links, ...examples].filter((link) => !isHeld(link))).toEqual([]);
  });

  test("is small, and brings no dependencies", () => {
    expect(statSync(tarball).size).toBeLessThan(1590 * 1024);
    const manifest = JSON.parse(
      readFileSync(join(folder, "node_modules/comet-sockets/package.json"), "utf8"),
    ) as object;
    expect(manifest).not.toHaveProperty("dependencies");
  });

  test("passes publint", async () => {
    const { messages, pkg } = await publint({
      pkgDir: join(folder, "node_modules/comet-sockets"),
      pack: false,
      strict: true,
    });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  test("has types that every resolution finds", async () => {
    const result = await checkPackage(createPackageFromTarballData(readFileSync(tarball)));
    const problems = "problems" in result ? result.problems : [{ kind: "no types" }];
    const found = problems.map((problem) =>
      [problem.kind, ...("resolutionKind" in problem ? [problem.resolutionKind] : [])].join(" of "),
    );
    // Node 10 knows no exports. The types of node16 do not know that CommonJS may require ES modules, as nodenext does.
    expect([...new Set(found)].sort()).toEqual(["CJSResolvesToESM of node16-cjs", "NoResolution of node10"]);
  });
});

describe("CommonJS", () => {
  const { engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { engines: { node: string } };
  const lowest = Array.from(engines.node.matchAll(/\d+\.\d+\.\d+/g), ([version]) => version);

  test("needs no flag in the range of engines", () => expect(lowest).toEqual(["20.19.0", "22.12.0"]));

  test.each(lowest)("requires and imports every entry on Node %s, the lowest of engines", async (version) => {
    const code = `
      (async () => {
        for (const name of ["", "/stream", "/client", "/node", "/uring", "/fastify", "/nest", "/memory", "/redis", "/sqlite"]) {
          const entry = "comet-sockets" + name;
          if (require(entry) !== (await import(entry))) throw new Error(entry);
        }
        const { Hub } = require("comet-sockets");
        const hub = new Hub();
        await hub.topic("a").publish("kiki");
        await hub.close({ drainMs: 0 });
        console.log(hub.stats().published);
      })();`;
    const file = join(folder, "required.cjs");
    writeFileSync(file, code);
    expect(await run(await installedNode(version), ["--no-warnings", file], folder)).toBe("1\n");
  });

  /** Compiles a module of CommonJS. */
  const compile = (module: string): Promise<string> => {
    writeFileSync(join(folder, "common.cts"), 'import { Hub } from "comet-sockets";\nexport const hub = new Hub();\n');
    const options = ["--module", module, "--target", "ES2022", "--lib", "ES2023,DOM", "--noEmit", "--skipLibCheck"];
    const types = ["--types", "node", "--typeRoots", join(root, "node_modules/@types"), "--ignoreConfig"];
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    return run(process.execPath, [tsc, ...options, ...types, "common.cts"], folder);
  };

  test("compiles with module nodenext", async () => expect(await compile("nodenext")).toBe(""));

  test("does not compile with module node16, whose require loads no ES modules", async () => {
    await expect(compile("node16")).rejects.toThrow("TS1479");
  });
});

/** A page's module, with the imports of a browser's application. */
const pageTypes = `
import { BareSource, CometSource, defineCometSource, firstOf, ndjson, poll, postedComet, withHeaders, type CometErrorEvent } from "comet-sockets/client";
interface Events { message: { title: string }; price: number }
const source = new CometSource<Events>("/live", { wires: [ndjson, postedComet({ sandbox: true })] });
source.onmessage = ({ data, key }) => console.log(data.title.length, key?.length);
source.addEventListener("price", ({ data }) => data.toFixed());
source.addEventListener("error", ({ code, retryMs }: CometErrorEvent) => console.log(code, retryMs ?? 0));
new BareSource("/live", { wire: withHeaders(firstOf([poll], 1000), async () => ({ authorization: "x" })) });
defineCometSource("live-news", { withCredentials: true });
// @ts-expect-error there is no such member
source.onmessage = ({ data }) => data.titel;
// @ts-expect-error a wire is needed
new BareSource("/live", {});
`;

describe("a consumer's types", () => {
  test.each([
    ["NodeNext", "NodeNext"],
    ["ESNext", "Bundler"],
  ])("compile with module %s, moduleResolution %s, and the declarations checked", async (module, moduleResolution) => {
    const config = {
      compilerOptions: {
        module,
        moduleResolution,
        target: "ES2022",
        lib: ["ES2023", "DOM"],
        types: ["node"],
        typeRoots: [join(root, "node_modules/@types")],
        strict: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: false,
        noEmit: true,
      },
      files: ["types.ts", "page.ts"],
    };
    writeFileSync(join(folder, "page.ts"), pageTypes);
    const path = join(folder, `tsconfig.${module}.json`);
    writeFileSync(path, JSON.stringify(config));
    await run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", path], folder);
  });
});

describe("at run time", () => {
  test.each(nodeVersions)("works on Node %s", async (version) => {
    const node = await installedNode(version);
    expect(await run(node, ["--version"])).toBe(`v${version}\n`);
    mkdirSync(folder, { recursive: true });
    const report = await run(node, ["--test", "--test-reporter=tap", "runtime.mjs"], folder);
    expect(report).toMatch(/^# fail 0$/m);
    expect(report).toMatch(/^# pass 11$/m);
  });

  test.each(nodeVersions)(
    "runs the README's first example as pasted on Node %s, which sends its stories",
    async (version) => {
      const [, code = ""] = /^```js examples\/first\/server\.mjs\n(.*?)^```$/ms.exec(readme) ?? [];
      const file = join(folder, "server.mjs");
      writeFileSync(file, code);
      await using example = await startExample(file, await freePort(), await installedNode(version));
      const page = await (await fetch(example.origin)).text();
      const [, address = ""] = /new EventSource\("(.*?)"\)/.exec(page) ?? [];
      const stories: string[] = [];
      const source = new EventSource(new URL(address, example.origin));
      source.onmessage = ({ data }) => stories.push(String(data));
      await vi.waitUntil(() => stories.length >= 2, { timeout: 30_000 });
      source.close();
      const [first = 0, second = 0] = stories.map((story) => Number(/^\{"title":"Story (\d+)"\}$/.exec(story)?.[1]));
      expect(second).toBe(first + 1);
    },
  );

  /** The output of a module, whose process ends only when nothing keeps it alive. */
  const printed = async (version: string, code: string): Promise<string> =>
    run(await installedNode(version), ["--input-type=module", "-e", code], folder);

  test.each(nodeVersions)("follows a hub with the client, without a page, on Node %s", async (version) => {
    const code = `
      import { createServer } from "node:http";
      import { CometSource, defineCometSource, sse } from "comet-sockets/client";
      import { Hub } from "comet-sockets";
      import { nodeHandler } from "comet-sockets/node";
      defineCometSource();
      const hub = new Hub();
      const server = createServer((request, response) => void nodeHandler(hub)(request, response));
      server.listen(0, "127.0.0.1", () => {
        const url = \`http://127.0.0.1:\${server.address().port}/?topic=a\`;
        const source = new CometSource(url);
        source.onopen = ({ wire }) => hub.topic("a").publish({ wire });
        source.onmessage = async ({ data, lastEventId }) => {
          source.close();
          console.log(data.wire, lastEventId === source.lastEventId);
          await hub.close({ drainMs: 0 });
          server.close();
        };
        const none = new CometSource(url, { wires: [sse] });
        none.onerror = ({ code }) => console.log(code);
      });`;
    const lines = (await printed(version, code)).trim().split("\n").sort();
    expect(lines).toEqual(["ERR_WIRE", "ndjson true"]);
  });

  test.each(nodeVersions)(
    "renders useComet of each framework on the server, without a page, on Node %s",
    async (version) => {
      // The frameworks come with the application.
      const frameworks = ["react", "react-dom", "vue", "svelte", "solid-js"];
      for (const name of frameworks) symlinkSync(join(root, "node_modules", name), join(folder, "node_modules", name));
      const code = `
      import { createElement } from "react";
      import { renderToString } from "react-dom/server";
      import { renderToString as renderSolid } from "solid-js/web";
      import { createSSRApp } from "vue";
      import { renderToString as renderVue } from "vue/server-renderer";
      import * as react from "comet-sockets/react";
      import * as solid from "comet-sockets/solid";
      import * as svelte from "comet-sockets/svelte";
      import * as vue from "comet-sockets/vue";
      const url = "http://127.0.0.1:9/?topic=a";
      const all = [
        [react, renderToString(createElement(() => react.useComet(url).state))],
        [solid, renderSolid(() => solid.useComet(url).state())],
        [svelte, svelte.useComet(url, { onMessage() {} }).state],
        [vue, await renderVue(createSSRApp({ setup: () => (({ state }) => () => state.value)(vue.useComet(url)) }))],
      ];
      for (const [binding, html] of all) console.log(Object.keys(binding).join(), html);`;
      try {
        expect(await printed(version, code)).toBe("useComet connecting\n".repeat(4));
      } finally {
        for (const name of frameworks) rmSync(join(folder, "node_modules", name));
      }
    },
  );

  test.each(nodeVersions)("shares one stream between two hubs on Redis, and on NATS, on Node %s", async (version) => {
    const [redis, nats] = await Promise.all([startRedis(), startNats()]);
    // Their clients come with the application.
    const clients = ["redis", "@nats-io"];
    for (const name of clients) symlinkSync(join(root, "node_modules", name), join(folder, "node_modules", name));
    const code = `
      import { createClient } from "redis";
      import { Hub } from "comet-sockets";
      import { natsBroker } from "comet-sockets/nats";
      import { redisBroker } from "comet-sockets/redis";
      const brokers = {
        redis: () => redisBroker({ client: createClient({ url: "redis://127.0.0.1:${redis.port}" }) }),
        nats: () => natsBroker({ connection: { servers: "127.0.0.1:${nats.port}" } }),
      };
      for (const [name, broker] of Object.entries(brokers)) {
        const [one, other] = [new Hub({ broker: await broker() }), new Hub({ broker: await broker() })];
        const position = await one.topic("a").publish("before");
        const url = "http://hub.test/?topic=a&wire=poll&lastEventId=" + encodeURIComponent(position);
        const answer = other.fetch(new Request(url));
        await one.topic("a").publish({ name });
        const [open, message] = await (await answer).json();
        console.log(open.open.states.a, message.data.name);
        await Promise.all([one.close({ drainMs: 0 }), other.close({ drainMs: 0 })]);
      }`;
    try {
      expect(await printed(version, code)).toBe("recovered redis\nrecovered nats\n");
    } finally {
      for (const name of clients) rmSync(join(folder, "node_modules", name));
      await Promise.all([redis.close(), nats.close()]);
    }
  });

  test.each(nodeVersions)("keeps topics in a SQLite file, or says what it needs, on Node %s", async (version) => {
    const code = `
      import { Hub } from "comet-sockets";
      import { sqliteBroker } from "comet-sockets/sqlite";
      const path = ${JSON.stringify(join(folder, "kept.db"))} + process.version;
      try {
        const one = new Hub({ broker: await sqliteBroker({ path }) });
        const position = await one.topic("a").publish("before");
        await one.topic("a").publish("missed");
        await one.close({ drainMs: 0 });
        const other = new Hub({ broker: await sqliteBroker({ path }) });
        const url = "http://hub.test/?topic=a&wire=poll&lastEventId=" + encodeURIComponent(position);
        const [open, message] = await (await other.fetch(new Request(url))).json();
        console.log(open.open.states.a, message.data);
        await other.close({ drainMs: 0 });
      } catch ({ code, message }) {
        console.log(code, message.includes("22.13"));
      }`;
    const expected = version.startsWith("20.") ? "ERR_BROKER_CONFIG true\n" : "recovered missed\n";
    expect(await printed(version, code)).toBe(expected);
  });

  test.each(nodeVersions)(
    "sends by io_uring on Node %s, by koffi and by node:ffi, or says why not",
    async (version) => {
      // It comes with the application.
      const packages = ["koffi", "@koromix"];
      for (const name of packages) symlinkSync(join(root, "node_modules", name), join(folder, "node_modules", name));
      const code = `
      import { once } from "node:events";
      import { createServer } from "node:http";
      import { connect } from "node:net";
      import koffi from "koffi";
      import { Hub } from "comet-sockets";
      import { nodeHandler } from "comet-sockets/node";
      import { useIoUring } from "comet-sockets/uring";
      for (const options of [{ koffi }, {}]) {
        const ring = useIoUring(options);
        const hub = new Hub({ heartbeatMs: 0 });
        const server = createServer(nodeHandler(hub)).listen(0, "127.0.0.1");
        await once(server, "listening");
        const texts = Array.from({ length: 8 }, () => "");
        const sockets = texts.map((_, i) => {
          const socket = connect(server.address().port, "127.0.0.1");
          socket.write("GET /?topic=a HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n");
          return socket.on("data", (data) => (texts[i] += data));
        });
        const all = async (word) => {
          while (!texts.every((text) => text.includes(word))) await new Promise((done) => setTimeout(done, 5));
        };
        await all("open");
        await hub.topic("a").publish("kiki");
        await all("kiki");
        console.log(ring.active ? "sent " + ring.stats().sends : ring.reason.replace(/ v\\S+/, "").split(/[ :]/)[0]);
        ring.close();
        for (const socket of sockets) socket.destroy();
        await hub.close({ drainMs: 0 });
        server.close();
      }`;
      const [byKoffi, byNode] = refusal === undefined ? ["sent 8", "sent 8"] : ["io_uring_setup", "io_uring_setup"];
      try {
        expect(await printed(version, code)).toBe(`${byKoffi}\n${version.startsWith("26.") ? byNode : "Node"}\n`);
      } finally {
        for (const name of packages) rmSync(join(folder, "node_modules", name));
      }
    },
  );

  test("starts no ring under the permission model of Node 26 without --allow-ffi", async () => {
    const code = `
      import { useIoUring } from "comet-sockets/uring";
      const { active, reason } = useIoUring();
      console.log(active, reason.includes("--allow-ffi"));`;
    const args = ["--permission", "--allow-fs-read=*", "--input-type=module", "-e", code];
    expect(await run(await installedNode(nodeVersions[3]), args, folder)).toBe("false true\n");
  });

  test.each(["react", "vue", "svelte", "solid"])("fails to import only the binding without %s", async (name) => {
    const code = `
      const { defineCometSource } = await import("comet-sockets/client");
      const { code, message } = await import("comet-sockets/${name}").catch((error) => error);
      console.log(typeof defineCometSource, code, message.includes("'${name}"));`;
    expect(await printed(nodeVersions[0], code)).toBe("function ERR_MODULE_NOT_FOUND true\n");
  });
});
