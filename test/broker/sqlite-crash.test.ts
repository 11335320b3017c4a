import { expect, onTestFinished, test } from "vitest";
import { sqliteCrashes } from "../soak/support/sqlite-crashes.ts";
import { Random, seedOfRun } from "../soak/support/random.ts";
import { sqliteFolder } from "../support/sqlite.ts";

// `SEED` repeats the moments of a run, as far as processes can repeat them.
const random = new Random(seedOfRun());

test("loses no acknowledged message, and leaves no hole, when its process is killed at any moment", async () => {
  const file = sqliteFolder();
  onTestFinished(() => file.close());
  const { violations, text, unacknowledged } = await sqliteCrashes({ file, random, kills: 20 });
  console.log(text);
  expect(violations).toEqual([]);
  // Without such messages no process was killed between a commit and its acknowledgement.
  expect(unacknowledged).toBeGreaterThan(0);
});
