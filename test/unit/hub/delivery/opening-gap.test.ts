import { expect, test } from "vitest";
import { followHub, notedHub } from "../../../support/hub.ts";
import { until } from "../../../support/sources.ts";

test("sends an EventSource an id only with the last opening gap, so that it resumes from its position if cut off before", async () => {
  const { hub } = notedHub({ log: { maxEntries: 2 } });
  const positions = [await hub.topic("a").publish(0), await hub.topic("b").publish(0), await hub.topic("c").publish(0)];
  for (let i = 0; i < 5; i += 1) for (const topic of ["a", "b"]) await hub.topic(topic).publish(i);
  const follower = await followHub(hub, `topic=a&topic=b&topic=c&wire=sse&lastEventId=${positions.join()}`);
  await until(() => follower.items.length >= 3);
  const [open, first, last] = follower.text.split("\n\n");
  expect(open).toMatch(/^event: comet:open\nretry: \d+\ndata: /);
  expect(first).toMatch(/^event: comet:gap\ndata: /);
  expect(last).toMatch(/^event: comet:gap\nid: a=\w+\.4,b=\w+\.4,c=\w+\.1\ndata: /);
});
