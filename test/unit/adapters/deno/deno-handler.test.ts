import { expect, test } from "vitest";
import { denoHandler } from "../../../../src/adapters/deno/index.ts";
import { notedHub, problemOf, request } from "../../../support/hub.ts";

test.each([undefined, null, {}, { completed: 5 }])("reports a second argument that is not Deno's: %j", async (info) => {
  const { hub, errors } = notedHub();
  await problemOf(await denoHandler(hub)(request("topic=t&wire=sse"), info as never), 500, "ERR_HANDLER");
  expect(errors).toEqual([expect.objectContaining({ code: "ERR_RUNTIME" })]);
  expect(hub.stats().connections).toBe(0);
});
