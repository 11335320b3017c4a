import { afterEach, expect, test, vi } from "vitest";
import { Flusher, type Flushable } from "../../../src/hub/flusher.ts";
import { turn } from "../../support/fake-sink.ts";

afterEach(() => vi.restoreAllMocks());

/** Work that records its name at each flush, and needs a given number of flushes. */
function work(name: string, order: string[], flushes = 1, during?: () => void): Flushable {
  let left = flushes;
  return {
    isQueued: false,
    flush: () => {
      order.push(name);
      left -= 1;
      during?.();
      return left <= 0;
    },
  };
}

test("flushes once a turn, topics before groups, each once", async () => {
  const order: string[] = [];
  const flusher = new Flusher(Infinity);
  const group = work("group", order);
  flusher.enqueue(group);
  flusher.enqueue(group);
  const topic = work("topic", order);
  flusher.touch(topic);
  flusher.touch(topic);
  expect(order).toEqual([]);
  await turn();
  expect(order).toEqual(["topic", "group"]);
  expect([topic.isQueued, group.isQueued]).toEqual([false, false]);
  await turn();
  expect(order).toHaveLength(2);
});

test("leaves the rest to the next turn when the slice is used up", async () => {
  let time = 0;
  vi.spyOn(performance, "now").mockImplementation(() => (time += 2));
  const order: string[] = [];
  const flusher = new Flusher(1);
  for (const name of ["a", "b"]) flusher.enqueue(work(name, order, 2));
  for (const expected of ["a", "ab", "aba", "abab"]) {
    await turn();
    expect(order.join("")).toBe(expected);
  }
});

test("flushes messages that a flush publishes in the next turn", async () => {
  const order: string[] = [];
  const flusher = new Flusher(Infinity);
  const topic: Flushable = work("topic", order, 1, () => {
    if (order.length < 3) flusher.touch(topic);
  });
  flusher.touch(topic);
  await turn();
  expect(order).toHaveLength(1);
  await turn();
  await turn();
  expect(order).toHaveLength(3);
});

test("continues with the other work after one throws", async () => {
  const order: string[] = [];
  const flusher = new Flusher(Infinity);
  // The error of a task of the event loop has no caller: it reaches the process, whose own listeners are back before the test ends.
  const listeners = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  const thrown = new Promise<unknown>((resolve) => process.once("uncaughtException", resolve));
  flusher.touch({
    isQueued: false,
    flush: () => {
      throw new Error("an application's reader");
    },
  });
  flusher.touch(work("topic", order));
  flusher.enqueue(work("group", order));
  expect(await thrown).toEqual(new Error("an application's reader"));
  for (const listener of listeners) process.on("uncaughtException", listener);
  await turn();
  expect(order).toEqual(["topic", "group"]);
});
