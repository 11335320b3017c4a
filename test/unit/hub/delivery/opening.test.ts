import { describe, expect, test } from "vitest";
import { openStates } from "../../../../src/hub/delivery/opening.ts";
import type { OpenState } from "../../../../src/wire/item.ts";

/** Returns the states in which the topics of a group open. */
function statesOf(topics: readonly string[], states: readonly OpenState[]): object {
  const group = { logs: topics.map((topic) => ({ topic })) } as unknown as Parameters<typeof openStates>[0];
  return openStates(
    group,
    states.map((state) => ({ state, cursor: 0, missed: undefined })),
  );
}

describe("the states in which a connection opens", () => {
  test("are one frozen object for connections that open alike, whatever their groups", () => {
    const states = statesOf(["a", "b"], ["fresh", "gap"]);
    expect(states).toEqual({ a: "fresh", b: "gap" });
    expect(Object.isFrozen(states)).toBe(true);
    expect(statesOf(["a", "b"], ["fresh", "gap"])).toBe(states);
  });

  test.each([
    [["a"], ["fresh"]],
    [
      ["a", "b"],
      ["fresh", "fresh"],
    ],
    [
      ["a", "c"],
      ["fresh", "gap"],
    ],
    [["__proto__"], ["fresh"]],
    [["constructor"], ["gap"]],
  ] as const)("differ for other topics and states: %j, %j", (topics, states) => {
    statesOf(["a", "b"], ["fresh", "gap"]);
    const found = statesOf(topics, states);
    expect(Object.entries(found)).toEqual(topics.map((topic, i) => [topic, states[i]]));
  });
});
