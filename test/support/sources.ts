import { expect } from "vitest";
import { CometError, type CometErrorCode } from "../../src/index.ts";

/** All elements of a source. */
export async function collect<E>(source: AsyncIterable<E>): Promise<E[]> {
  const elements: E[] = [];
  for await (const element of source) elements.push(element);
  return elements;
}

/** What `act` throws or rejects with; fails if it does neither. */
export async function errorOf(act: () => unknown): Promise<unknown> {
  try {
    await act();
  } catch (error) {
    return error;
  }
  return expect.fail("an error was expected");
}

/** Expects `act` to throw or reject with a CometError of this code, whose message matches. */
export async function expectCode(code: CometErrorCode, act: () => unknown, message: RegExp = /./): Promise<void> {
  const error = await errorOf(act);
  expect(error).toBeInstanceOf(CometError);
  expect((error as CometError).code).toBe(code);
  expect((error as CometError).message).toMatch(message);
}

/** A source of elements that notes what is done to it. */
export class Probe<E> implements AsyncIterable<E> {
  readonly #elements: readonly E[];
  readonly #failure: { readonly error: unknown } | undefined;
  /** How many elements were asked for, the end included. */
  pulled = 0;
  opened = 0;
  returned = 0;

  constructor(elements: readonly E[], failure?: { readonly error: unknown }) {
    this.#elements = elements;
    this.#failure = failure;
  }

  [Symbol.asyncIterator](): AsyncIterator<E> {
    this.opened += 1;
    let next = 0;
    return {
      next: () => {
        this.pulled += 1;
        const at = next++;
        if (at < this.#elements.length) return Promise.resolve({ done: false, value: this.#elements[at] as E });
        if (this.#failure !== undefined) return Promise.reject(this.#failure.error);
        return Promise.resolve({ done: true, value: undefined });
      },
      return: () => {
        this.returned += 1;
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }
}

/** Waits for a number of turns of the event loop. */
export async function turns(count = 5): Promise<void> {
  for (let i = 0; i < count; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** The clock as it is, even where a test has replaced it. */
const realNow = performance.now.bind(performance);

/** Waits until `condition` holds. The limit is for what will never happen: a slow machine does not reach it. */
export async function until(condition: () => boolean, timeoutMs = 30_000): Promise<void> {
  const end = realNow() + timeoutMs;
  while (!condition()) {
    if (realNow() > end) expect.fail(`not within ${timeoutMs} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
