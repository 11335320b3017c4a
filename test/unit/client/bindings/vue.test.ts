import { afterAll, expect, onTestFinished, test } from "vitest";
import { effectScope, ref } from "vue";
import { useComet, type CometRefs } from "../../../../src/client/bindings/vue.ts";
import { ndjson } from "../../../../src/client/index.ts";
import { serveHub } from "../../../support/hub.ts";
import { havePage } from "../../../support/page.ts";
import { until } from "../../../support/sources.ts";

const options = { wires: [ndjson] };

test("opens nothing outside of a component where there is no page", async () => {
  const { origin, opened, ...server } = await serveHub();
  const { state } = useComet(`${origin}/?topic=a`, options);
  // A later request comes after one of the composable's would have come.
  await (await server.follow("topic=b&wire=poll&wait=0")).ended();
  expect([state.value, opened.map(({ topics }) => topics)]).toEqual(["connecting", [["b"]]]);
});

test("follows a ref outside of a component, until the effect scope stops", async () => {
  const { leave } = havePage(["document"]);
  afterAll(leave);
  const { hub, origin, opened, reasons } = await serveHub();
  const url = ref<string | null>(null);
  const scope = effectScope();
  onTestFinished(() => scope.stop());
  const { data, state } = scope.run(() => useComet(url, options)) as CometRefs;
  expect(state.value).toBe("idle");
  url.value = `${origin}/?topic=a`;
  await until(() => state.value === "open");
  await hub.topic("a").publish(1);
  await until(() => data.value === 1);
  scope.stop();
  await until(() => reasons.length === 1);
  expect(opened).toHaveLength(1);
});
