import { describe as group, expect, test, vi } from "vitest";
import { CometError, describe } from "../../../src/core/errors.ts";
import { Queue } from "../../../src/core/queue.ts";
import { reportOnConsole } from "../../../src/core/report.ts";

test("a CometError has a code, a message, a name and its cause", () => {
  const cause = new Error("underneath");
  const error = new CometError("ERR_OPTION", "wrong", { cause });
  expect(error).toBeInstanceOf(Error);
  expect([error.name, error.code, error.message, error.cause]).toEqual(["CometError", "ERR_OPTION", "wrong", cause]);
});

test.each([
  [null, "null"],
  [undefined, "undefined"],
  [5, "5"],
  [true, "true"],
  ["short", 'the string "short"'],
  ["x".repeat(50), `the string "${"x".repeat(40)}…"`],
  [10n, "bigint"],
  [[], "an object of type Array"],
  [new Map(), "an object of type Map"],
  [Object.create(null), "an object of type Object"],
  [() => 1, "function"],
])("%s is described", (value, text) => {
  expect(describe(value)).toBe(text);
});

group("a Queue", () => {
  test("keeps the order while it grows and wraps around", () => {
    const queue = new Queue<number>();
    const model: number[] = [];
    for (let i = 0; i < 1000; i += 1) {
      queue.push(i);
      model.push(i);
      if (i % 3 === 2) expect(queue.shift()).toBe(model.shift());
    }
    expect(queue.size).toBe(model.length);
    while (queue.size > 0) {
      expect(queue.peek()).toBe(model[0]);
      expect(queue.shift()).toBe(model.shift());
    }
    expect(model).toEqual([]);
    queue.push(1);
    queue.clear();
    expect(queue.size).toBe(0);
  });
});

test("the last resort for errors is the console", () => {
  const spy = vi.spyOn(console, "error").mockReturnValue();
  reportOnConsole(new Error("lost"));
  expect(spy).toHaveBeenCalledOnce();
  spy.mockRestore();
});
