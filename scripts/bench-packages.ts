/** Installs the packages of bench/, unless they are installed as its lock file has them. */
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";

/** The modification time of a file in milliseconds; 0 if it does not exist. */
function writtenAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

// npm writes the first of these when an installation is complete.
if (writtenAt("bench/node_modules/.package-lock.json") < writtenAt("bench/package-lock.json")) {
  console.log("Installing the packages of bench/.");
  // `npm run --silent` would silence errors too.
  const { status } = spawnSync("npm", ["ci", "--prefix", "bench", "--loglevel=error"], { stdio: "inherit" });
  process.exitCode = status ?? 1;
}
