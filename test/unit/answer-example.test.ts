import { describe, expect, onTestFinished, test, vi } from "vitest";
import { tokens } from "../../examples/answer/model.ts";
import { answerSites, type AnswerSite } from "../support/answer-sites.ts";
import { Follower } from "../support/hub.ts";
import type { WireItem } from "../support/decoders/wire-item.ts";

const headers = { "content-type": "application/json" };
const id = "4f1e0c36-1f0a-4e2b-8b1d-6f4a3c2b1a09";

/** Posts JSON. @returns the status. */
async function post({ origin }: AnswerSite, path: string, body: unknown): Promise<number> {
  return (await fetch(origin + path, { method: "POST", headers, body: JSON.stringify(body) })).status;
}

const follow = ({ origin }: AnswerSite): Promise<Follower> => Follower.fetch(`${origin}/live?topic=answer:${id}`);

const textOf = ({ data }: Follower): string => (data as readonly string[]).join("");

const ends = ({ items }: Follower): WireItem[] => items.filter(({ type }) => type === "ended");

/** Makes the model as fast as it can be, until the test is over. */
function hurry(): void {
  vi.spyOn(Math, "random").mockReturnValue(0);
  onTestFinished(() => void vi.restoreAllMocks());
}

describe.each(Object.entries(answerSites))("%s", (_, serve) => {
  test("answers a question once, and keeps the answer", async () => {
    hurry();
    const site = await serve();
    expect(await post(site, "/answers", { id, question: "Why?" })).toBe(202);
    const first = await follow(site);
    // It joins the answer that runs, and then the one that has ended.
    expect(await post(site, "/answers", { id, question: "Why not?" })).toBe(202);
    await first.ended();
    expect(await post(site, "/answers", { id, question: "Why not?" })).toBe(202);
    const second = await (await follow(site)).ended();
    expect(first.data.length).toBeGreaterThan(100);
    expect(textOf(first)).toMatch(/^You ask: “Why\?” I am no language model, .*\n\nReload .* from the log\.$/s);
    expect(second.data).toEqual(first.data);
    for (const reader of [first, second]) expect(ends(reader)).toMatchObject([{ outcome: "complete" }]);
  });

  test("stops an answer for all its readers", async () => {
    const site = await serve();
    await post(site, "/answers", { id, question: "Why?" });
    const readers = [await follow(site), await follow(site)] as const;
    for (const reader of readers) await reader.has(2);
    expect(await post(site, "/answers/stop", { id })).toBe(202);
    for (const reader of readers) {
      await reader.ended();
      expect(textOf(reader)).toMatch(/^You ask: .*(?<!log\.)$/s);
      expect(ends(reader)).toMatchObject([{ outcome: "stopped" }]);
    }
    expect(readers[1].data).toEqual(readers[0].data);
  });

  test("reports a failure of the model without its text", async () => {
    hurry();
    const report = vi.spyOn(console, "error").mockReturnValue();
    const site = await serve();
    await post(site, "/answers", { id, question: "Please fail." });
    const reader = await (await follow(site)).ended();
    expect(reader.data.length).toBe(20);
    expect(ends(reader)).toMatchObject([
      { outcome: "failed", code: "ERR_FAILED", message: "The source of this topic has failed." },
    ]);
    expect(reader.text).not.toContain("10.0.0.7");
    expect(report).toHaveBeenCalled();
  });

  test.each([
    ["/answers", { id: "1", question: "Why?" }],
    ["/answers", { id, question: 1 }],
    ["/answers", { question: "Why?" }],
    ["/answers", undefined],
    ["/answers/stop", { id: "1" }],
    ["/answers/stop", undefined],
  ])("refuses %s with %j", async (path, body) => {
    expect(await post(await serve(), path, body)).toBe(400);
  });

  test("refuses topics that are no answers", async () => {
    const { origin } = await serve();
    expect((await fetch(`${origin}/live?topic=answer:1`)).status).toBe(404);
  });
});

test("the model stops while it waits", async () => {
  const abort = new AbortController();
  const words = tokens("Why?", abort.signal);
  expect((await words.next()).value).toBe("You ");
  const next = words.next();
  abort.abort();
  await expect(next).rejects.toThrow(expect.objectContaining({ name: "AbortError" }));
});
