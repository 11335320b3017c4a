import { expect, onTestFinished, test, vi } from "vitest";
import { serveGuide } from "../support/guides.ts";
import { Follower, problemOf } from "../support/hub.ts";
import { loggedErrors, ROWS, serveJobs, STEPS } from "../support/job-site.ts";
import { until } from "../support/sources.ts";

/** Starts an export, and returns its id. */
async function start(origin: string, kind = "working"): Promise<string> {
  const response = await fetch(`${origin}/exports?kind=${kind}`, { method: "POST" });
  expect(response.status).toBe(201);
  return ((await response.json()) as { id: string }).id;
}

const follow = (origin: string, id: string, more = ""): Promise<Follower> =>
  Follower.fetch(`${origin}/live?topic=job:${id}${more}`);
const fileOf = (origin: string, id: string, method = "GET"): Promise<Response> =>
  fetch(`${origin}/exports?id=${id}`, { method });
const ended = ({ items }: Follower): unknown[] => items.filter(({ type }) => type === "ended");

test("an export publishes its progress and its end, and then has a file with all rows", async () => {
  const { origin, gate } = await serveJobs();
  const id = await start(origin);
  const reader = await (await follow(origin, id)).has(1);
  gate.allow(STEPS / 2);
  await reader.has(1 + STEPS / 2);
  expect([reader.data[0], reader.data.at(-1)]).toEqual([
    { id, done: 0, total: ROWS },
    { id, done: ROWS / 2, total: ROWS },
  ]);
  expect((await fileOf(origin, id)).status).toBe(409);
  gate.allow(STEPS);
  await reader.ended();
  expect(reader.data.at(-1)).toEqual({ id, done: ROWS, total: ROWS });
  expect(ended(reader)).toMatchObject([{ topic: `job:${id}`, outcome: "complete" }]);
  const file = await fileOf(origin, id);
  expect([file.status, file.headers.get("content-type")]).toEqual([200, "text/csv; charset=utf-8"]);
  expect(file.headers.get("content-disposition")).toBe(`attachment; filename="orders-${id.slice(0, 8)}.csv"`);
  const lines = (await file.text()).split("\n");
  expect([lines.length, lines[0], lines[1]]).toEqual([1 + ROWS, "order,customer,cents", "1,customer 1,7919"]);
});

test.each(["ndjson", "sse", "poll"])("a late reader gets the newest progress and the end over %s", async (wire) => {
  const { origin, gate } = await serveJobs();
  gate.allow(STEPS);
  const id = await start(origin);
  await (await follow(origin, id)).ended();
  const late = await (await follow(origin, id, `&from=last:1&wire=${wire}`)).ended();
  expect(late.data.map((data) => (typeof data === "string" ? (JSON.parse(data) as unknown) : data))).toEqual([
    { id, done: ROWS, total: ROWS },
  ]);
  expect(ended(late)).toMatchObject([{ topic: `job:${id}`, outcome: "complete" }]);
});

test("a plain iframe gets the newest progress and the end as calls of two functions", async () => {
  const { origin, gate } = await serveJobs();
  gate.allow(STEPS);
  const id = await start(origin);
  await (await follow(origin, id)).ended();
  const query = `topic=job:${id}&from=last:1&wire=comet&callback=parent.cometMessage&ended=parent.cometEnded`;
  const text = await (await fetch(`${origin}/live?${query}`)).text();
  expect(Array.from(text.matchAll(/parent\.(\w+)\(/g), ([, name]) => name)).toEqual(["cometMessage", "cometEnded"]);
});

test("a cancelled export stops its query, ends as stopped, and has no file", async () => {
  const { origin, gate } = await serveJobs();
  const [id, other] = [await start(origin), await start(origin)];
  const reader = await (await follow(origin, id)).has(1);
  expect(gate.waiting).toBe(2);
  expect((await fileOf(origin, id, "DELETE")).status).toBe(204);
  await reader.ended();
  expect(ended(reader)).toMatchObject([{ outcome: "stopped" }]);
  await until(() => gate.waiting === 1);
  expect((await fileOf(origin, id)).status).toBe(409);
  gate.allow(STEPS);
  expect(ended(await (await follow(origin, other)).ended())).toMatchObject([{ outcome: "complete" }]);
});

test("a failed export shows its readers a text of its own, and the log the error", async () => {
  const errors = loggedErrors();
  const { origin, gate } = await serveJobs();
  gate.allow(STEPS);
  const id = await start(origin, "failing");
  const reader = await (await follow(origin, id)).ended();
  const message = "The database did not answer. Try again in a few minutes.";
  expect(ended(reader)).toMatchObject([{ outcome: "failed", code: "database", message }]);
  expect(reader.text).not.toContain("10.0.0.7");
  expect(errors).toEqual([new Error("connect ECONNREFUSED 10.0.0.7:5432")]);
  expect((await fileOf(origin, id)).status).toBe(409);
});

test("refuses an id that it does not know, and the topic of it", async () => {
  const { origin } = await serveJobs();
  const id = crypto.randomUUID();
  for (const method of ["GET", "HEAD", "DELETE"]) expect((await fileOf(origin, id, method)).status).toBe(404);
  await problemOf(await fetch(`${origin}/live?topic=job:${id}`), 404, "ERR_TOPIC_UNKNOWN");
  await problemOf(await fetch(`${origin}/live?topic=news`), 404, "ERR_TOPIC_UNKNOWN");
});

test("runs at most 20 exports at once", async () => {
  const { origin, gate } = await serveJobs();
  const first = await start(origin);
  for (let i = 1; i < 20; i += 1) await start(origin);
  const refused = await fetch(`${origin}/exports`, { method: "POST" });
  expect([refused.status, await refused.text()]).toEqual([429, "20 exports are running. Wait for one of them."]);
  gate.allow(STEPS);
  await (await follow(origin, first)).ended();
  await start(origin);
});

test("deletes the oldest of more than 100 exports, with its file and its topic", async () => {
  const { origin, gate } = await serveJobs();
  gate.allow(STEPS);
  const ids: string[] = [];
  for (let i = 0; i < 100; i += 1) {
    const id = await start(origin);
    await (await follow(origin, id, "&from=last:1")).ended();
    ids.push(id);
  }
  const [first = "", second = ""] = ids;
  expect((await fileOf(origin, first)).status).toBe(200);
  await start(origin);
  expect((await fileOf(origin, first)).status).toBe(404);
  await problemOf(await fetch(`${origin}/live?topic=job:${first}`), 404, "ERR_TOPIC_UNKNOWN");
  expect((await fileOf(origin, second)).status).toBe(200);
});

test("keeps the file of an export for ten minutes after its end", async () => {
  const { origin, gate } = await serveJobs();
  gate.allow(STEPS);
  const [id, other] = [await start(origin), await start(origin)];
  for (const one of [id, other]) await (await follow(origin, one)).ended();
  vi.useFakeTimers({ toFake: ["Date"] });
  onTestFinished(() => void vi.useRealTimers());
  const end = Date.now();
  vi.setSystemTime(end + 590_000);
  expect((await fileOf(origin, id)).status).toBe(200);
  vi.setSystemTime(end + 600_001);
  expect((await fileOf(origin, id)).status).toBe(404);
  expect((await fileOf(origin, other, "HEAD")).status).toBe(404);
});

test("the program serves both pages with their parts, and leads to them from /", async () => {
  const { origin } = await serveGuide("../job/server");
  expect((await fetch(origin)).url).toBe(`${origin}/job`);
  for (const path of ["/job", "/job/iframe"]) {
    const page = await (await fetch(origin + path)).text();
    const parts = Array.from(page.matchAll(/(?:src|href)="(\/[\w.-]+\.(?:js|css))"/g), ([, part = ""]) => part);
    expect(parts.includes("/client.global.js")).toBe(path === "/job");
    for (const part of [...parts, "/job-rows.js"]) {
      const response = await fetch(origin + part);
      expect([response.status, response.redirected]).toEqual([200, false]);
    }
  }
});
