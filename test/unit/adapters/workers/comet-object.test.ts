import { test } from "vitest";
import { cometObject } from "../../../../src/adapters/workers/index.ts";
import { expectCode } from "../../../support/sources.ts";

test("refuses a base that is no class, and a bad time", async () => {
  await expectCode("ERR_OPTION", () => cometObject(undefined as never), /class DurableObject, not undefined/);
  for (const topicTtlMs of [999, 1.5, 2 ** 46]) {
    await expectCode("ERR_OPTION", () => cometObject(Object, { topicTtlMs }), /topicTtlMs/);
  }
});
