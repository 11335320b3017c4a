/**
 * The client on a bad network for a minute in each browser, 8 seconds in the short form: test/browser/client-chaos.test.ts. Then
 * test/browser/client-middleboxes.test.ts (caches, captive portals, blockers, service workers) and test/browser/client-silence.test.ts
 * (dead connections, sleep, a wire that is held back). `node test/soak/chaos.ts`; `CLIENT_CHAOS_MS` for another time, `SEED` repeats a run.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { browserNeeds } from "../support/browsers/browser.ts";
import { ensureSystemPackages } from "../support/system-packages.ts";
import { amount } from "./support/form.ts";
import { seedOfRun } from "./support/random.ts";

await ensureSystemPackages(Object.values(browserNeeds).flat());
const vitest = fileURLToPath(new URL("../../node_modules/vitest/vitest.mjs", import.meta.url));
const args = [
  "run",
  "--project",
  "browser",
  "test/browser/client-chaos.test.ts",
  "test/browser/client-middleboxes.test.ts",
  "test/browser/client-silence.test.ts",
];
const env = {
  CLIENT_CHAOS_MS: String(amount("CLIENT_CHAOS_MS", 60_000, 8000)),
  CLIENT_CHAOS_SEED: String(seedOfRun()),
};
const { status } = spawnSync(process.execPath, [vitest, ...args], {
  stdio: "inherit",
  env: { ...process.env, ...env },
  cwd: fileURLToPath(new URL("../..", import.meta.url)),
});
process.exitCode = status ?? 1;
