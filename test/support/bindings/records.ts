// What the components of all frameworks share: their options, the text that they show, and records for the test.
import type { CometState, UseCometOptions } from "../../../src/client/bindings/comet-store.ts";

/** What one component follows. */
export interface Follow {
  readonly url: string | null;
  readonly history?: number;
  /** Whether the component shows only the price in the newest message, and counts its renderings. */
  readonly isPrice?: boolean;
}

/** The components of an app, by their names. */
export type Followed = Readonly<Record<string, Follow>>;

/** HTML that a server has rendered: scripts that go before it, and that of the components. */
export interface Rendered {
  readonly head: string;
  readonly body: string;
}

/** The text of a component, parsed. */
export interface Shown {
  readonly data?: unknown;
  readonly history: readonly unknown[];
  readonly state: string;
  readonly missed?: number | null | undefined;
  readonly error?: string | undefined;
  readonly outcome?: string | undefined;
}

export interface Records {
  /** The data that `onMessage` got, by component. */
  readonly given: Record<string, unknown[]>;
  /** The text of each component at its first rendering. */
  readonly first: Record<string, string>;
  /** The renderings of the components with a price. */
  readonly renders: Record<string, number>;
}

export const records: Records = { given: {}, first: {}, renders: {} };

/** Short delays. */
const quick = { backoffMs: 20, maxBackoffMs: 100 };

export function optionsOf(name: string, { history }: Follow): UseCometOptions {
  return {
    ...quick,
    ...(history !== undefined && { history }),
    onMessage: ({ data }) => void (records.given[name] ??= []).push(data),
  };
}

export function textOf(name: string, { data, history, state, gap, error, outcome }: CometState): string {
  const all = history.map((message) => message.data as unknown);
  const shown: Shown = { data: data as unknown, history: all, state, missed: gap?.missed, error: error?.code, outcome };
  const text = JSON.stringify(shown);
  records.first[name] ??= text;
  return text;
}

/** Counts a rendering of a component, and returns its text. */
export function priceText(name: string, price: unknown): string {
  records.renders[name] = (records.renders[name] ?? 0) + 1;
  return JSON.stringify({ price });
}
