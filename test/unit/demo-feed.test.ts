import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Enumerator, Hub } from "comet-sockets";
import { Feed, LINGER_MS } from "../../demo/feed.ts";
import { createHub } from "../../demo/hub.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] }));
afterEach(() => void vi.useRealTimers());

/** A feed that publishes twice a second, and how much it has published. */
function ticking(): { readonly feed: Feed<number>; readonly hub: Hub; readonly published: () => number } {
  const hub = new Hub();
  const feed = new Feed(hub.topic<number>("ticks"), Enumerator.interval(500));
  return { feed, hub, published: () => hub.stats().published };
}

test("runs a feed once for all its subscribers, and briefly after the last one leaves", async () => {
  const { feed, published } = ticking();
  await vi.advanceTimersByTimeAsync(5000);
  expect([feed.running, published()]).toEqual([false, 0]);
  feed.join();
  feed.join();
  await vi.advanceTimersByTimeAsync(2000);
  expect(published()).toBe(4);
  feed.leave();
  await vi.advanceTimersByTimeAsync(2 * LINGER_MS);
  expect(feed.running).toBe(true);
  feed.leave();
  await vi.advanceTimersByTimeAsync(LINGER_MS);
  const before = published();
  await vi.advanceTimersByTimeAsync(60_000);
  expect([feed.running, published()]).toEqual([false, before]);
  expect(vi.getTimerCount()).toBeLessThanOrEqual(1); // The hub's own timer, which keeps no process alive.
});

test("keeps the feed running when a subscriber returns soon", async () => {
  const { feed, published } = ticking();
  feed.join();
  await vi.advanceTimersByTimeAsync(1000);
  feed.leave();
  await vi.advanceTimersByTimeAsync(LINGER_MS - 1000);
  feed.join();
  await vi.advanceTimersByTimeAsync(2 * LINGER_MS);
  expect(feed.running).toBe(true);
  expect(published()).toBe((3 * LINGER_MS) / 500);
});

test("ends the feed without an error when the hub is closed", async () => {
  const log = vi.spyOn(console, "error");
  const { feed, hub } = ticking();
  feed.join();
  await vi.advanceTimersByTimeAsync(1000);
  await hub.close({ drainMs: 0 });
  await vi.advanceTimersByTimeAsync(1000);
  expect(log).not.toHaveBeenCalled();
  log.mockRestore();
});

test("samples the machine only while its topic has a subscriber", async () => {
  const { hub } = createHub();
  const follow = async (topic: string): Promise<() => void> => {
    const abort = new AbortController();
    const request = new Request(`http://demo/live?topic=${topic}`, { signal: abort.signal });
    await (await hub.fetch(request)).body?.getReader().read();
    return () => abort.abort();
  };
  const published = (): number => hub.stats().published;
  const leaveChat = await follow("chat");
  await vi.advanceTimersByTimeAsync(10_000);
  expect(published()).toBe(0);
  const leave = await follow("machine");
  await vi.advanceTimersByTimeAsync(10_000);
  expect(published()).toBe(20);
  leave();
  await vi.advanceTimersByTimeAsync(LINGER_MS);
  const before = published();
  expect(before).toBeLessThanOrEqual(20 + LINGER_MS / 500);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(published()).toBe(before);
  leaveChat();
});
