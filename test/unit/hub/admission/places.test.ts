import { afterEach, describe, expect, test, vi } from "vitest";
import { isAdmission } from "../../../../src/hub/admission/decision.ts";
import type { Subscription } from "../../../../src/index.ts";
import { FakeSink, open } from "../../../support/fake-sink.ts";
import { followHub, notedHub, problemOf, request, type Follower, type NotedHub } from "../../../support/hub.ts";
import { until } from "../../../support/sources.ts";

afterEach(() => void vi.useRealTimers());

const RESERVED_MS = 5000;

function fakeClock(): void {
  vi.useFakeTimers({ toFake: ["performance", "setInterval", "clearInterval"] });
}

/** Whether a new client finds a place. It leaves again. */
async function hasRoom({ hub }: NotedHub, query = "topic=a&wire=ndjson"): Promise<boolean> {
  const response = await hub.fetch(request(query));
  if (response.ok) await response.body?.cancel();
  else await problemOf(response, 503, "ERR_LIMIT");
  return response.ok;
}

/** Opens two streams in a hub that has no more places, and ends the first one after a time. */
async function fullHub(
  end: (first: Subscription) => void,
  heldMs: number = RESERVED_MS,
): Promise<NotedHub & { readonly first: Follower }> {
  fakeClock();
  const noted = notedHub({ maxConnections: 2 });
  const first = await (await followHub(noted.hub, "topic=a&wire=ndjson")).begun();
  await followHub(noted.hub, "topic=b&wire=ndjson");
  vi.advanceTimersByTime(heldMs);
  end(noted.opened[0] ?? expect.fail("a subscription"));
  return { ...noted, first };
}

describe("in a full hub, the place of a client that was asked to reconnect at once", () => {
  const recycle = (first: Subscription): void => first.update({ expiresAt: 0 });

  test("is kept for it, and no newcomer gets it", async () => {
    const noted = await fullHub(recycle);
    const { end } = await noted.first.ended();
    expect(end.retryMs).toBe(0);
    expect(await hasRoom(noted)).toBe(false);
    expect(await hasRoom(noted, "topic=a&wire=ndjson&from=oldest")).toBe(false);
    const back = await followHub(noted.hub, `topic=a&wire=ndjson&lastEventId=${end.position}`);
    expect(back.response.status).toBe(200);
    expect(noted.hub.stats().connections).toBe(2);
    expect(await hasRoom(noted, `topic=a&wire=ndjson&lastEventId=${end.position}`)).toBe(false);
  });

  test("is kept for a client that resumes by its header", async () => {
    const noted = await fullHub(recycle);
    const { end } = await noted.first.ended();
    const headers = { "last-event-id": end.position };
    expect((await noted.hub.fetch(request("topic=a", { headers }))).status).toBe(200);
  });

  test("is not kept for a position of other topics, or one that is malformed", async () => {
    const noted = await fullHub(recycle);
    expect(await hasRoom(noted, "topic=a&wire=ndjson&lastEventId=b=x.1")).toBe(false);
    const headers = { "last-event-id": "17" };
    await problemOf(await noted.hub.fetch(request("topic=a", { headers })), 503, "ERR_LIMIT");
  });

  test("is free for everybody after 5 s", async () => {
    const noted = await fullHub(recycle);
    vi.advanceTimersByTime(RESERVED_MS - 1);
    expect(await hasRoom(noted)).toBe(false);
    vi.advanceTimersByTime(1);
    expect(await hasRoom(noted)).toBe(true);
  });

  test("is free at once if the client left by itself, or must not reconnect", async () => {
    expect(await hasRoom(await fullHub((first) => first.close("gone")))).toBe(true);
    expect(await hasRoom(await fullHub((first) => first.close("unauthorized")))).toBe(true);
    const noted = await fullHub(() => undefined);
    noted.first.leave();
    expect(await hasRoom(noted)).toBe(true);
  });

  test("is kept when it is recycled by age", async () => {
    fakeClock();
    const noted = notedHub({ maxConnections: 1, maxConnectionAgeMs: 20_000 });
    await followHub(noted.hub, "topic=a&wire=sse");
    vi.advanceTimersByTime(20_100);
    expect(noted.reasons).toEqual(["recycle"]);
    expect(await hasRoom(noted)).toBe(false);
  });

  test("is kept between two polls, also if the second one is short", async () => {
    fakeClock();
    const noted = notedHub({ maxConnections: 1 });
    let position = await noted.hub.topic("a").publish(1);
    const next = (): Promise<Follower> => followHub(noted.hub, `topic=a&wire=poll&lastEventId=${position}`);
    const first = next();
    await until(() => noted.opened.length === 1);
    vi.advanceTimersByTime(RESERVED_MS);
    void noted.hub.topic("a").publish(2);
    position = (await (await first).ended()).end.position;
    expect(await hasRoom(noted)).toBe(false);
    void noted.hub.topic("a").publish(3);
    position = (await (await next()).ended()).end.position;
    expect(noted.reasons).toEqual(["poll", "poll"]);
    expect(await hasRoom(noted)).toBe(false);
    vi.advanceTimersByTime(RESERVED_MS);
    expect(await hasRoom(noted)).toBe(true);
  });

  test("is free at once if it held it for less than 5 s: short polls cannot fill a hub", async () => {
    expect(await hasRoom(await fullHub(recycle, RESERVED_MS - 1))).toBe(true);
    fakeClock();
    const noted = notedHub({ maxConnections: 2 });
    for (let i = 0; i < 20; i += 1) await (await followHub(noted.hub, "topic=a&wire=poll")).ended();
    expect(await hasRoom(noted)).toBe(true);
  });

  test("is one place, however many clients come back: the limit holds", async () => {
    const noted = await fullHub(recycle);
    const { end } = await noted.first.ended();
    const query = `topic=a&wire=ndjson&lastEventId=${end.position}`;
    const answers = await Promise.all([1, 2, 3].map(() => noted.hub.fetch(request(query))));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 503, 503]);
    expect(noted.hub.stats().connections).toBe(2);
  });
});

describe("a place", () => {
  test("is freed if the stream cannot be opened", async () => {
    const noted = notedHub({ maxConnections: 1 });
    const brokenSink = Object.defineProperty(new FakeSink(), "isChunked", {
      get: () => {
        throw new Error("The sink is broken.");
      },
    });
    for (let i = 0; i < 3; i += 1) {
      await expect(open(noted.hub, "topic=a&wire=ndjson", brokenSink)).rejects.toThrow("The sink is broken.");
    }
    expect(noted.hub.stats()).toMatchObject({ connections: 0, lagging: 0 });
    expect(await hasRoom(noted)).toBe(true);
  });

  test("is freed once, and counted once, if the stream fails after it was created", async () => {
    const noted = notedHub({ maxConnections: 2 });
    const { connection, sink } = await open(noted.hub, "topic=a&wire=ndjson");
    sink.onWrite = () => {
      throw new Error("The socket is gone.");
    };
    await noted.hub.topic("a").publish(1);
    await vi.waitFor(() => expect(noted.reasons).toEqual(["error"]));
    connection.gone();
    connection.destroy("error");
    await open(noted.hub, "topic=a&wire=ndjson");
    await open(noted.hub, "topic=a&wire=ndjson");
    expect(await hasRoom(noted)).toBe(false);
  });

  test("is freed if the client leaves before the stream opens", async () => {
    const noted = notedHub({ maxConnections: 1 });
    const decision = await noted.hub._decide(request("topic=a&wire=ndjson"), () => ({}));
    if (!isAdmission(decision)) expect.fail("an admission");
    expect(await hasRoom(noted)).toBe(false);
    decision.release();
    expect(await hasRoom(noted)).toBe(true);
  });
});
