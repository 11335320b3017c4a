/**
 * A process with a SQLite file is killed 200 times while it publishes, at random moments, also between a commit and its acknowledgement: no
 * acknowledged message is lost, none is there twice, no offset is left out, and no topic begins another epoch. The short form kills fewer.
 * `node test/soak/sqlite.ts`; `KILLS` changes the number.
 */
import { sqliteFolder } from "../support/sqlite.ts";
import { amount } from "./support/form.ts";
import { Checks } from "./support/processes.ts";
import { Random, seedOfRun } from "./support/random.ts";
import { sqliteCrashes } from "./support/sqlite-crashes.ts";

const kills = amount("KILLS", 200, 25);

const checks = new Checks();
const file = sqliteFolder();
const { violations, unacknowledged, text } = await sqliteCrashes({ file, random: new Random(seedOfRun()), kills });
console.log(text);
for (const violation of violations.slice(0, 3)) checks.that(false, violation);
checks.that(unacknowledged > 0, "no process was killed between a commit and its acknowledgement");
await file.close();
checks.end();
