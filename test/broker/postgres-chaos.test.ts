import { expect, test } from "vitest";
import { Random, seedOfRun } from "../soak/support/random.ts";
import { transactionChaos } from "../soak/support/transaction-chaos.ts";

test("publishes exactly what transactions commit, under kills, cuts and stalls", async () => {
  const { violations, untried, text } = await transactionChaos({ random: new Random(seedOfRun()), ms: 8000 });
  console.log(text);
  expect(violations).toEqual([]);
  expect(untried).toEqual([]);
});
