/**
 * An application publishes in its transactions on PostgreSQL, beside two hubs, while the server is killed, its connections are ended, and
 * links are cut and stalled. Each topic has exactly what was committed or acknowledged. `node test/soak/postgres.ts`; `SECONDS_OF_CHAOS`
 * changes its length.
 */
import { amount } from "./support/form.ts";
import { Checks } from "./support/processes.ts";
import { Random, seedOfRun } from "./support/random.ts";
import { transactionChaos } from "./support/transaction-chaos.ts";

const checks = new Checks();
const report = await transactionChaos({
  random: new Random(seedOfRun()),
  ms: amount("SECONDS_OF_CHAOS", 300, 25) * 1000,
});
console.log(report.text);
checks.that(report.untried.length === 0, `nothing was ${report.untried.join(", ")}`);
for (const violation of report.violations.slice(0, 5)) checks.that(false, violation);
checks.end();
process.exit();
