import { describe, expect, test } from "vitest";
import { clientSite, follow, holds, visit } from "../support/client-site.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

const wires = ["ndjson", "sse", "comet", "poll"] as const;
const finite = { finite: true } as const;

describe.each(browserNames)("in %s", (name) => {
  const used = useBrowser(name);

  test.each(wires)("a CometSource gets all of a topic that ends, and its outcome, over %s", async (wire) => {
    const { page } = used;
    const { hub, origin, asked } = await clientSite();
    const topic = hub.topic<number>("a", finite);
    await topic.publish(1);
    await visit(page, origin);
    await follow(page, wire, "/events?topic=a", { wires: [wire] });
    await holds(page, `page.records.${wire}.messages === 1`);
    await topic.publish(2);
    await topic.end({ error: { code: "quota", message: "The quota is used up." } });
    await holds(page, `page.records.${wire}.closes.length === 1`);
    const source = `page.sources.${wire}`;
    expect(await page.evaluate<string>(`[${source}.outcome, ${source}.readyState].join()`)).toBe("failed,2");
    expect(await page.evaluate<string>(`JSON.stringify(page.records.${wire}.errors.map(({ code }) => code))`)).toBe(
      '["quota"]',
    );
    expect(await page.evaluate<number>(`page.records.${wire}.messages`)).toBe(2);
    const requests = asked.length;
    await follow(page, `${wire}2`, "/events?topic=a", { wires: [wire] });
    await holds(page, `page.records.${wire}2.closes.length === 1`);
    expect(await page.evaluate<number>(`page.records.${wire}2.messages`)).toBe(2);
    // It has closed for good: nothing came back in between but the second source.
    expect(asked.length - requests).toBeLessThanOrEqual(wire === "poll" ? 2 : 1);
  });

  test("an EventSource reads the end, reconnects once, and stops", async () => {
    const { page } = used;
    const statuses: number[] = [];
    const { hub, origin } = await clientSite({
      hub: { retryMs: 1 },
      instead: (response) => {
        if (response.req.url?.startsWith("/events") === true) {
          response.once("close", () => statuses.push(response.statusCode));
        }
        return false;
      },
    });
    const topic = hub.topic<number>("a", finite);
    await topic.publish(1);
    await visit(page, origin);
    await page.evaluate(`(() => {
      globalThis.had = [];
      globalThis.plain = new EventSource("/events?topic=a");
      plain.onmessage = ({ data }) => had.push(data);
      plain.addEventListener("comet:ended", ({ data }) => had.push(JSON.parse(data).outcome));
    })()`);
    await holds(page, "had.length === 1");
    await topic.end();
    await holds(page, "plain.readyState === EventSource.CLOSED");
    expect(await page.evaluate<string>("had.join()")).toBe("1,complete");
    expect(statuses.at(-1)).toBe(204);
  });

  test("a plain iframe calls a function of its own at the end", async () => {
    const { page } = used;
    const { hub, origin } = await clientSite();
    const topic = hub.topic<string>("a", finite);
    await topic.publish("x");
    await visit(page, origin);
    await page.evaluate(`(() => {
      globalThis.had = [];
      globalThis.cometMessage = (data) => had.push(data);
      globalThis.cometEnded = ({ topic, outcome }) => had.push(topic + " " + outcome);
      const frame = document.createElement("iframe");
      frame.src = "/events?topic=a&wire=comet&callback=parent.cometMessage&ended=parent.cometEnded";
      document.body.append(frame);
    })()`);
    await holds(page, "had.length === 1");
    await topic.publish("y");
    await topic.end({ outcome: "stopped" });
    await holds(page, "had.length === 3");
    expect(await page.evaluate<string>("had.join()")).toBe("x,y,a stopped");
  });
});
