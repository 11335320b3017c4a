import { describe, expect, test } from "vitest";
import { CometModule } from "../../../../src/adapters/nest/index.ts";
import { Hub } from "../../../../src/index.ts";
import { followHub } from "../../../support/hub.ts";
import { expectCode } from "../../../support/sources.ts";

// test/frameworks runs the module in Nest itself.
describe("CometModule.forRoot", () => {
  test("provides the hub, and closes it before the application shuts down", async () => {
    const settings = Symbol("settings");
    const { module, providers, exports } = CometModule.forRoot({
      useFactory: (maxTopics: number) => new Hub({ maxTopics }),
      inject: [settings],
      drainMs: 0,
    });
    expect([module, exports]).toEqual([CometModule, [Hub]]);
    const [provider, shutdown] = providers;
    expect([provider?.provide, provider?.inject, shutdown?.inject]).toEqual([Hub, [settings], [Hub]]);
    const hub = (await provider?.useFactory(100)) as Hub;
    const follower = await (await followHub(hub, "topic=a&wire=ndjson")).begun();
    const hooks = shutdown?.useFactory(hub) as { beforeApplicationShutdown(): Promise<void> };
    await hooks.beforeApplicationShutdown();
    expect((await follower.ended()).end).toMatchObject({ reason: "drain" });
  });

  test.each([
    ["useFactory", { useFactory: undefined as never }],
    ["drainMs", { useFactory: () => new Hub(), drainMs: -1 }],
  ])("refuses a bad %s", async (name, options) => {
    await expectCode("ERR_OPTION", () => CometModule.forRoot(options), new RegExp(name));
  });
});
