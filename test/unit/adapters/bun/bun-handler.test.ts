import { expect, test } from "vitest";
import { bunHandler } from "../../../../src/adapters/bun/index.ts";
import { notedHub, problemOf, request } from "../../../support/hub.ts";

test.each([undefined, null, {}, { timeout: 5 }])(
  "reports a second argument that is not Bun's server: %j",
  async (server) => {
    const { hub, errors } = notedHub();
    await problemOf(await bunHandler(hub)(request("topic=t&wire=sse"), server as never), 500, "ERR_HANDLER");
    expect(errors).toEqual([expect.objectContaining({ code: "ERR_RUNTIME" })]);
    expect(hub.stats().connections).toBe(0);
  },
);
