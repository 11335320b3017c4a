import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { optionsPage } from "../../scripts/options.ts";
import { root } from "../support/run.ts";

let page = "";
beforeAll(() => {
  page = optionsPage(root);
});

test("matches docs/options.md with the types: npm run docs:options", () => {
  expect(readFileSync(join(root, "docs/options.md"), "utf8")).toBe(page);
});

test("documents every exported type of options", () => {
  const entries = ["index", "stream/index", "client/index", "client/bindings/react"];
  const adapters = ["node", "node/uring", "fastify", "nest", "bun", "deno", "workers"].map(
    (name) => `adapters/${name}/index`,
  );
  const brokers = [
    "brokers/memory/index",
    "brokers/redis/index",
    "brokers/nats/index",
    "brokers/sqlite/index",
    "brokers/postgres/index",
  ];
  const surfaces = ["surfaces/ai/index", "client/ai/index"];
  const names = [...entries, ...adapters, ...brokers, ...surfaces].flatMap((entry) =>
    [...readFileSync(join(root, "src", `${entry}.ts`), "utf8").matchAll(/\b[A-Z]\w*(?:Options|Init|Bounds)\b/g)].map(
      String,
    ),
  );
  const types = new Set(names);
  expect(types.size).toBeGreaterThan(12);
  // Its options are among those of each broker.
  types.delete("NetworkBrokerOptions");
  // A name for `NodeHandlerOptions`, or a function that returns them.
  types.delete("FastifyHandlerOptions");
  // Hubs give it to brokers.
  types.delete("TopicBounds");
  for (const type of types) expect(page).toContain(`\n### ${type}\n`);
});

test("documents types, members of objects, inherited options, and required ones", () => {
  expect(page).toMatch(/^\| `heartbeatMs` \| `number` \|/m);
  expect(page).toMatch(/^\| `overflow` \| `"resume" \\\| "skip" \\\| "latest"` \|/m);
  expect(page).toMatch(/^\| `log` \| \[`Partial<LogBounds>`\]\(#logbounds\) \|/m);
  expect(page).toMatch(/^\| `cors\.origins`, required \| `readonly string\[\]` \|/m);
  expect(page).toMatch(/^\| `callback`, required \| `string` \|/m);
  expect(page).toContain("It also has these of [RequestOptions](#requestoptions): `topics`,");
});
