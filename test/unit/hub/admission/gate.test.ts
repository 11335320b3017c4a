import { describe, expect, test } from "vitest";
import type { HubOptions } from "../../../../src/index.ts";
import type { Problem } from "../../../../src/wire/item.ts";
import { exchange, followHub, notedHub, problemOf, request, wires, withBystander } from "../../../support/hub.ts";

const many = (count: number): string => Array.from({ length: count }, (_, i) => `topic=t${i}`).join("&");
const long = "x".repeat(201);

/** Requests that a hub rejects from any client: the query, further headers, the status and the code. */
const refused: readonly (readonly [
  what: string,
  query: string,
  headers: Record<string, string>,
  status: number,
  code: string,
])[] = [
  ["no topic", "", {}, 400, "ERR_TOPIC"],
  ["an empty topic", "topic=", {}, 400, "ERR_TOPIC"],
  ["a topic and an empty one", "topic=news&topic=", {}, 400, "ERR_TOPIC"],
  ["a topic of another case of the parameter", "Topic=news", {}, 400, "ERR_TOPIC"],
  ["too many topics", many(33), {}, 400, "ERR_TOPIC"],
  ["a topic of 201 characters", `topic=${long}`, {}, 400, "ERR_TOPIC"],
  ["a topic with NUL", "topic=a%00b", {}, 400, "ERR_TOPIC"],
  ["a topic with a line end", "topic=a%0Ab", {}, 400, "ERR_TOPIC"],
  ["a topic with DEL", "topic=a%7Fb", {}, 400, "ERR_TOPIC"],
  ["an unknown topic", "topic=secret", {}, 404, "ERR_TOPIC_UNKNOWN"],
  ["an unknown topic beside a known one", "topic=news&topic=secret", {}, 404, "ERR_TOPIC_UNKNOWN"],
  ["an unknown wire", "topic=news&wire=websocket", {}, 400, "ERR_WIRE"],
  ["an empty wire", "topic=news&wire=", {}, 400, "ERR_WIRE"],
  ["a wire of another case", "topic=news&wire=SSE", {}, 400, "ERR_WIRE"],
  ["an unknown mode", "topic=news&wire=ndjson&mode=wild", {}, 400, "ERR_WIRE"],
  ["wire twice", "topic=news&wire=sse&wire=sse", {}, 400, "ERR_PARAMETER"],
  ["mode twice", "topic=news&wire=ndjson&mode=plain&mode=plain", {}, 400, "ERR_PARAMETER"],
  ["callback twice", "topic=news&wire=ndjson&callback=a&callback=b", {}, 400, "ERR_PARAMETER"],
  ["wait twice", "topic=news&wire=poll&wait=0&wait=0", {}, 400, "ERR_PARAMETER"],
  ["another wait", "topic=news&wire=poll&wait=5", {}, 400, "ERR_PARAMETER"],
  ["from twice", "topic=news&wire=sse&from=newest&from=newest", {}, 400, "ERR_PARAMETER"],
  ["lastEventId twice", "topic=news&lastEventId=&lastEventId=", {}, 400, "ERR_PARAMETER"],
  [
    "lastEventId twice, beside the header",
    "topic=news&lastEventId=&lastEventId=",
    { "last-event-id": "news=a.1" },
    400,
    "ERR_PARAMETER",
  ],
  ["another from", "topic=news&from=yesterday", {}, 400, "ERR_PARAMETER"],
  ["an empty from", "topic=news&from=", {}, 400, "ERR_PARAMETER"],
  ["a position of 4,097 characters", `topic=news&lastEventId=${"x".repeat(4097)}`, {}, 400, "ERR_POSITION"],
  [
    "topics whose position would be too long",
    ["a", "b", "c"].map((c) => `topic=${encodeURIComponent("\u{1f600}".repeat(99))}${c}`).join("&"),
    {},
    404,
    "ERR_TOPIC_UNKNOWN",
  ],
  ["nothing acceptable", "topic=news", { accept: "image/png" }, 406, "ERR_ACCEPT"],
  ["more of Accept than it reads", "topic=news", { accept: `text/html,${"a/b,".repeat(510)}` }, 406, "ERR_ACCEPT"],
  ["an Accept of commas", "topic=news", { accept: ",".repeat(15_500) }, 406, "ERR_ACCEPT"],
  ["too many parameters", `topic=news${"&a".repeat(96)}`, {}, 414, "ERR_QUERY"],
  ["too many topics to count", many(97), {}, 414, "ERR_QUERY"],
];

const options: HubOptions = { topics: (name) => name !== "secret" && !name.startsWith("\u{1f600}") };

describe("rejects, with no effect on others:", () => {
  test.each(refused)("%s", async (_, query, headers, status, code) => {
    const server = await withBystander(options);
    const response = await fetch(`${server.origin}/?${query}`, { headers });
    await problemOf(response, status, code);
    expect(response.headers.get("retry-after")).toBeNull();
    await server.check();
  });

  test.each([
    "news",
    "news=",
    "news=a",
    "news=a.",
    "news=.1",
    "=a.1",
    "news=a.1,",
    ",news=a.1",
    "news=a.1,,b=a.1",
    "news=a.1;b=a.1",
    "news=a.1 ,b=a.1",
    "news=a.-1",
    "news=a.+1",
    "news=a.01",
    "news=a.1e3",
    "news=a.0x1",
    "news=a.1.5",
    "news=a.9007199254740992",
    "news=a.99999999999999999",
    "news=a.١",
    `news=${"a".repeat(33)}.1`,
    "news=a_b.1",
    "news=ä.1",
    "news=a.1,news=a.1",
    "news=a.1,n%65ws=a.2",
    "ne ws=a.1",
    "n&ws=a.1",
    "%=a.1",
    "%zz=a.1",
    "%ff=a.1",
    "%ed%a0%80=a.1",
    "%00=a.1",
    "%0A=a.1",
    `${"x".repeat(201)}=a.1`,
    "null",
    "[object Object]",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    " ",
    "\0",
    "\n",
    "\ud800",
  ])("the position %j", async (position) => {
    const server = await withBystander(options);
    const response = await fetch(
      `${server.origin}/?topic=news&lastEventId=${encodeURIComponent(position.toWellFormed())}`,
    );
    await problemOf(response, 400, "ERR_POSITION");
    await server.check();
  });

  test("positions of several topics that are too long to send back", async () => {
    const { hub } = notedHub({ maxPositionLength: 128 });
    await problemOf(await hub.fetch(request("topic=a&topic=b&topic=c")), 400, "ERR_POSITION");
    expect((await hub.fetch(request("topic=a&topic=b"))).status).toBe(200);
  });

  test("topics whose address could become too long with a position, before the first position", async () => {
    const { hub } = notedHub({ maxTopicsPerConnection: 1000, maxPositionLength: 100_000 });
    const named = (count: number, length: number): string =>
      Array.from({ length: count }, (_, i) => `topic=${String(i).padStart(length, "x")}`).join("&");
    const status = async (query: string): Promise<number> => (await hub.fetch(request(query))).status;
    // In the address: 7 + 2 * 20 + 55 characters each.
    for (const mode of ["wire=comet", "wire=comet&mode=managed", "wire=sse&mode=managed"]) {
      expect(await status(`${mode}&${named(77, 20)}`)).toBe(200);
      const refused = await hub.fetch(request(`${mode}&${named(79, 20)}`));
      expect([refused.status, (await refused.text()).includes("ERR_POSITION")]).toEqual([400, true]);
    }
    // In a header: 7 + 2 * 20 + 51 characters each.
    for (const wire of ["ndjson", "poll", "sse"]) {
      expect(await status(`wire=${wire}&${named(141, 20)}`)).toBe(200);
      await problemOf(await hub.fetch(request(`wire=${wire}&${named(144, 20)}`)), 400, "ERR_POSITION");
    }
    // One topic has room, whatever its name.
    expect(await status(`wire=comet&topic=${"%E4%B8%AD".repeat(200)}`)).toBe(200);
  });

  test.each(["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])(
    "the method %s, and lists the allowed ones",
    async (method) => {
      const server = await withBystander(options);
      const response = await fetch(`${server.origin}/?topic=news`, { method });
      expect(response.headers.get("allow")).toBe("GET, HEAD");
      await problemOf(response, 405, "ERR_METHOD");
      await server.check();
    },
  );

  test("a request on HTTP/1.1, whose connection stays usable", async () => {
    const { port, check } = await withBystander(options);
    const get = (query: string): string => `GET /?${query} HTTP/1.1\r\nHost: x\r\n\r\n`;
    const received = await exchange(port, get("topic=secret") + get("wire=x") + get(""));
    expect(received.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 404", "HTTP/1.1 400", "HTTP/1.1 400"]);
    await check(3);
  });
});

test("names the valid values in the detail of a rejection", async () => {
  const { hub } = notedHub();
  const detail = async (query: string, headers = {}): Promise<string> => {
    const response = await hub.fetch(request(query, { headers }));
    return ((await response.json()) as Problem).detail;
  };
  expect(await detail("topic=a&wire=x")).toContain("ndjson, sse, comet or poll");
  expect(await detail("topic=a", { accept: "image/png" })).toContain(
    "application/x-ndjson, application/ndjson, text/event-stream, text/html, application/json",
  );
  expect(await detail(many(33))).toContain("32");
  expect(await detail("topic=a&lastEventId=1")).toContain("topic=epoch.offset");
});

describe("accepts", () => {
  test("a position with a space for each percent sign", async () => {
    const { hub } = notedHub();
    const topic = "中, 100 % = a+b";
    const position = await hub.topic(topic).publish(1);
    await hub.topic(topic).publish(2);
    const query = new URLSearchParams({ topic, wire: "poll", lastEventId: position.replaceAll("%", " ") });
    expect(String(query)).not.toContain("%25E4");
    const items = (await (await hub.fetch(request(String(query)))).json()) as { open?: object; data?: number }[];
    expect(items[0]?.open).toMatchObject({ states: { [topic]: "recovered" } });
    expect(items[1]?.data).toBe(2);
  });

  test.each(["another=a.1", "news=a.0,another=b.9007199254740991", "n%65ws=a.1", "news=A9z.9007199254740991"])(
    "the position %s",
    async (position) => {
      const { hub } = notedHub();
      const query = `topic=news&wire=ndjson&lastEventId=${encodeURIComponent(position)}`;
      expect((await hub.fetch(request(query))).status).toBe(200);
    },
  );

  test("a topic named twice, and subscribes to it once", async () => {
    const { hub, opened } = notedHub();
    expect((await hub.fetch(request("topic=a&topic=b&topic=a"))).status).toBe(200);
    expect(opened.map(({ topics }) => topics)).toEqual([["a", "b"]]);
  });

  test("the longest query, the most parameters and the longest Accept", async () => {
    const { hub } = notedHub({ maxTopicsPerConnection: 4, maxPositionLength: 64 });
    const query = `topic=a${"&b".repeat(66)}&c=`;
    const longest = query + "x".repeat(64 * 4 + 8192 - query.length);
    const accept = "text/event-stream".padEnd(2048, ",");
    expect((await hub.fetch(request(longest, { headers: { accept } }))).status).toBe(200);
    await problemOf(await hub.fetch(request(`${longest}x`)), 414, "ERR_QUERY");
    await problemOf(await hub.fetch(request(`${query}&d`)), 414, "ERR_QUERY");
    for (const text of ["%", "%e2%82%ac", "topic=a&", "callback=a.", "+", ";"]) {
      await problemOf(await hub.fetch(request(`topic=a&x=${text.repeat(9000)}`)), 414, "ERR_QUERY");
    }
    await problemOf(await hub.fetch(request(query, { headers: { accept: `${accept},` } })), 406, "ERR_ACCEPT");
  });

  test("headers that it does not read, however long they are", async () => {
    const { hub } = notedHub({ cors: { origins: ["https://a.example"] } });
    const headers = {
      "access-control-request-headers": "x,".repeat(30_000),
      origin: `https://${"a".repeat(60_000)}`,
      "x-forwarded-for": "1.2.3.4,".repeat(8000),
    };
    expect((await hub.fetch(request("topic=a", { headers }))).status).toBe(200);
    expect((await hub.fetch(request("topic=a", { headers, method: "OPTIONS" }))).status).toBe(204);
  });

  test("an empty position, and unknown parameters", async () => {
    const { hub, opened } = notedHub();
    const headers = { "last-event-id": "" };
    const query = "topic=a&lastEventId=&token=1&token=2&__proto__=x&last-event-id=x";
    expect((await hub.fetch(request(query, { headers }))).status).toBe(200);
    expect(opened[0]?.states).toEqual({ a: "fresh" });
  });

  test("a topic with a name of 200 characters, of any script", async () => {
    const { hub, opened } = notedHub();
    const name = `ü${"\u{1f600}".repeat(98)}& =`;
    expect(name).toHaveLength(200);
    expect((await hub.fetch(request(`topic=${encodeURIComponent(name)}`))).status).toBe(200);
    expect(opened[0]?.topics).toEqual([name]);
  });

  test.each(wires)("a position of another epoch, and opens %s with a gap", async (wire) => {
    const { hub } = notedHub();
    await hub.topic("news").publish("old");
    const follower = await (await followHub(hub, `topic=news&wire=${wire}&lastEventId=news%3Dother.1`)).begun();
    await follower.has(1);
    const position = follower.open.position;
    expect(follower.open.states).toEqual({ news: "gap" });
    expect(follower.items[1]).toEqual({ type: "gap", topic: "news", missed: null, position });
    expect(follower.data).toEqual(["old"]);
  });

  test.each(wires)("an offset that is not assigned yet, and opens %s with a gap", async (wire) => {
    const { hub } = notedHub();
    const position = await hub.topic("news").publish("old");
    const future = position.replace(/1$/, "2");
    const follower = await (await followHub(hub, `topic=news&wire=${wire}&lastEventId=${future}`)).begun();
    expect(follower.open.states).toEqual({ news: "gap" });
    expect(follower.items[1]).toMatchObject({ type: "gap", topic: "news", missed: null });
  });

  test("a header with a newer position than that of the URL", async () => {
    const { hub } = notedHub();
    const first = await hub.topic("news").publish(1);
    const second = await hub.topic("news").publish(2);
    await hub.topic("news").publish(3);
    const follower = await followHub(hub, `topic=news&wire=ndjson&lastEventId=${first}`, {
      headers: { "last-event-id": second },
    });
    expect((await follower.has(1)).data).toEqual([3]);
    expect(follower.open.states).toEqual({ news: "recovered" });
  });
});
