import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Questions } from "../../../../src/hub/presence/questions.ts";
import { partsInSignals, type Signal } from "../../../../src/hub/presence/signals.ts";

interface Want {
  readonly topics: readonly string[];
  readonly afresh: boolean;
  readonly of: string | undefined;
}

function questions(): { readonly asking: Questions; readonly wants: Want[] } {
  const wants: Want[] = [];
  const asking = new Questions({
    beatMs: 10,
    want: (topics, afresh, of) => wants.push({ topics: [...topics], afresh, of }),
    begins: () => undefined,
    ends: () => undefined,
    changed: () => undefined,
  });
  return { asking, wants };
}

const head = { from: "abc", beatMs: 10, haves: 0 };

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

test("requests the topics of one turn together", async () => {
  const { asking, wants } = questions();
  void asking.ask("a");
  void asking.ask("b");
  void asking.ask("a");
  await Promise.resolve();
  expect(wants).toEqual([{ topics: ["a", "b"], afresh: true, of: undefined }]);
  asking.end();
});

test("asks a process at once after its hello, and again after a silent beat", async () => {
  const { asking, wants } = questions();
  void asking.ask("a");
  await Promise.resolve();
  asking.receive({ type: "hello", ...head });
  const again = { topics: ["a"], afresh: true, of: "abc" };
  expect(wants.splice(0)).toEqual([{ ...again, of: undefined }, again]);
  asking.askAgain();
  expect(wants).toEqual([]);
  vi.advanceTimersByTime(12);
  asking.askAgain();
  expect(wants).toEqual([again]);
  asking.end();
});

test("does not repeat a request while its answer arrives for longer than a beat", async () => {
  const { asking, wants } = questions();
  void asking.ask("a");
  await Promise.resolve();
  wants.length = 0;
  const identities = Array.from({ length: 10_000 }, (_, i) => [String(i).padEnd(100), 1] as const);
  const all = [...partsInSignals([{ topic: "a", isWhole: true, anonymous: 0, identities }])];
  const signals = all.map((parts, i): Signal => ({ type: "have", ...head, haves: i + 1, parts }));
  expect(signals.length).toBeGreaterThan(3);
  asking.receive(signals[0] as Signal);
  for (const signal of signals.slice(1)) {
    vi.advanceTimersByTime(12);
    asking.receive(signal);
  }
  expect([wants, asking.rollsOf("a")[0]?.subscribers]).toEqual([[], 10_000]);
  asking.end();
});

test("resolves pending queries on end, and requests nothing more", async () => {
  const { asking, wants } = questions();
  const asked = asking.ask("a");
  asking.end();
  await asked;
  expect(wants.flatMap(({ topics }) => topics)).toEqual([]);
  expect(asking.size).toBe(0);
});

test("tracks at most a thousand processes", () => {
  const { asking } = questions();
  void asking.ask("a");
  for (let i = 0; i <= 1000; i += 1) {
    const part = { topic: "a", replaces: true, continues: false, anonymous: 1, identities: [] };
    asking.receive({ type: "have", ...head, from: `process-${i}`, haves: 1, parts: [part] });
  }
  expect(asking.rollsOf("a")).toHaveLength(1000);
  asking.end();
});
