import { describe, expect, test } from "vitest";
import type { HubOptions } from "../../../../src/index.ts";
import type { Problem } from "../../../../src/wire/item.ts";
import { expectProblem, notedHub, request, withBystander } from "../../../support/hub.ts";

const options: HubOptions = { topics: (name) => name !== "secret" };

describe("the callback on comet", () => {
  const hostile = [
    "",
    ".",
    "parent.",
    ".cometX",
    "cometX..y",
    "alert(1)",
    "cometX;alert",
    "cometX\n",
    "cometX()",
    "cometX[0]",
    "comet-x",
    "1comet",
    "return",
    "parent.cometX</script><script>alert(1)//",
    "cométX",
    `comet${"X".repeat(124)}`,
    "eval",
    "alert",
    "parent.eval",
    "setTimeout",
    "Function",
    "document.write",
    "parent.document.write",
    "location.replace",
    "parent.cometX.constructor",
    "cometX.constructor",
    "cometX.call",
    "parent.parent.cometX",
    "top.cometX",
    "console.logs",
    "console.log.constructor",
    "window.cometX",
    "__proto__",
    "COMET",
  ];

  test.each(hostile)("is rejected by a document that calls nothing if it is %j", async (callback) => {
    const server = await withBystander(options);
    for (const mode of ["plain", "managed"]) {
      const query = `topic=news&wire=comet&mode=${mode}&callback=${encodeURIComponent(callback)}`;
      const response = await fetch(`${server.origin}/?${query}`);
      expect(response.status).toBe(400);
      expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
      expect(response.headers.get("content-security-policy")).toBe(
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
      );
      const body = await response.text();
      expect(body).not.toMatch(/<script/i);
      const shown = /<pre>([^<>]*)<\/pre>/.exec(body)?.[1] ?? "";
      const text = shown.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)));
      expectProblem(JSON.parse(text) as Problem, 400, "ERR_CALLBACK");
    }
    await server.check(2);
  });

  test("receives the problem in managed mode", async () => {
    const server = await withBystander(options);
    const response = await fetch(`${server.origin}/?topic=secret&wire=comet&mode=managed&callback=parent.cometLive`);
    expect(response.status).toBe(404);
    const script = /<script>parent\.cometLive\((.*)\);<\/script>\n$/.exec(await response.text())?.[1] ?? "";
    const [item] = JSON.parse(script) as [string];
    expectProblem((JSON.parse(item) as { error: Problem }).error, 404, "ERR_TOPIC_UNKNOWN");
    await server.check();
  });

  test("receives only messages in plain mode", async () => {
    const { hub } = notedHub(options);
    const body = await (await hub.fetch(request("topic=secret&wire=comet&callback=cometX"))).text();
    expect(body).not.toMatch(/<script/);
    expect(body).toContain("ERR_TOPIC_UNKNOWN");
  });

  test("is not needed to report other invalid parameters in a document", async () => {
    const { hub } = notedHub();
    for (const query of ["mode=wild", "callback=a&callback=b", "mode=plain&mode=plain", "from=x", "lastEventId=x"]) {
      const response = await hub.fetch(request(`topic=news&wire=comet&${query}`));
      expect(response.status, query).toBe(400);
      expect(response.headers.get("content-type"), query).toBe("text/html; charset=utf-8");
    }
  });
});
