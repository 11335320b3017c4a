import { join } from "node:path";
import { expect, test } from "vitest";
import { installedNode, nodeVersions } from "../support/installed-node.ts";
import { root, run } from "../support/run.ts";

test.each(nodeVersions)("releases the memory of a stream's connection on Node %s", async (version) => {
  const node = await installedNode(version);
  // It resolves the package by its own name, to dist/.
  const program = join(root, "test/package/consumers/detach.mjs");
  const report = await run(node, ["--expose-gc", "--test", "--test-reporter=tap", program]);
  expect(report).toMatch(/^# fail 0$/m);
  expect(report).toMatch(/^# pass 57$/m);
});
