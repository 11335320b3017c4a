import { createClient } from "redis";
import { describe, expect, test } from "vitest";
import { natsBroker } from "../../src/brokers/nats/index.ts";
import { checkNetworkBrokerOptions, type NetworkBrokerOptions } from "../../src/brokers/network-broker-options.ts";
import { redisBroker } from "../../src/brokers/redis/index.ts";
import { expectCode } from "../support/sources.ts";

type Name = keyof NetworkBrokerOptions;

const MAX_TIMER_MS = 2_147_483_647;

/** Each option with its default and its range. */
const ranges: readonly (readonly [Name, number, number, number])[] = [
  ["connectTimeoutMs", 5000, 50, MAX_TIMER_MS],
  ["timeoutMs", 5000, 50, MAX_TIMER_MS],
  ["heartbeatMs", 2000, 50, MAX_TIMER_MS],
  ["maxRetryMs", 5000, 10, MAX_TIMER_MS],
  ["maxPendingBytes", 16_777_216, 1024, Number.MAX_SAFE_INTEGER],
];

/** The brokers, each called with options that are valid except for the given ones. */
const brokers: readonly (readonly [string, (options: object) => Promise<unknown>, (options: unknown) => unknown])[] = [
  [
    "redisBroker",
    (options) => redisBroker({ client: createClient(), ...options }),
    (options) => redisBroker(options as never),
  ],
  ["natsBroker", (options) => natsBroker(options), (options) => natsBroker(options as never)],
];

describe.each(brokers)("%s", (name, withOptions, withAny) => {
  test.each([null, "redis://127.0.0.1", 5, () => ({})])("rejects options that are no object: %s", async (options) => {
    await expectCode("ERR_OPTION", () => withAny(options), new RegExp(`The options of ${name} must be an object`));
  });

  test.each(ranges)("rejects %s outside of its range", async (option, _, min, max) => {
    const message = new RegExp(`^${option} must be a whole number from ${min} to ${max}, not `);
    for (const value of [min - 1, max + 1, min + 0.5, String(min), NaN, true]) {
      await expectCode("ERR_OPTION", () => withOptions({ [option]: value }), message);
    }
  });

  test.each(["", "a b", "a*", "é", 7, "x".repeat(300)])("rejects the prefix %j", async (prefix) => {
    await expectCode("ERR_OPTION", () => withOptions({ prefix }), /^prefix must be .*letters, digits.*, not /);
  });
});

test("accepts both bounds of each option that all brokers over a network have", () => {
  for (const [option, , min, max] of ranges) {
    for (const value of [min, max]) expect(checkNetworkBrokerOptions("f", { [option]: value })[option]).toBe(value);
  }
});

test("completes the options that all brokers over a network have with their defaults", () => {
  const defaults = Object.fromEntries(ranges.map(([option, fallback]) => [option, fallback]));
  expect(checkNetworkBrokerOptions("f", {})).toEqual(defaults);
});
