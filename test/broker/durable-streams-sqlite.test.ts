import { Hub } from "../../src/index.ts";
import { testConformance } from "../support/durable-conformance.ts";
import { sqliteFolder } from "../support/sqlite.ts";

const folder = sqliteFolder();

testConformance(
  async () => new Hub({ broker: await folder.open(), pollMs: 2000 }),
  () => folder.close(),
);
