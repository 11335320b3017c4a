/** Fails the run of the project `uring` if its ring has sent nothing, although the kernel allows one. */
import { clearUringResults, readUringResults } from "./uring-results.ts";

const MOST_CHOSEN_FILES = 10;

export function setup(): void {
  clearUringResults();
}

export function teardown(): void {
  const results = readUringResults();
  if (results === undefined) return;
  const { files, sends, reason } = results;
  console.log(
    reason === undefined ? `io_uring: ${sends} sends` : `io_uring is refused, so nothing ran on it: ${reason}`,
  );
  // A few files that were chosen by hand may have no sockets.
  if (reason === undefined && sends === 0 && files > MOST_CHOSEN_FILES)
    throw new Error("The tests of the project `uring` have sent nothing by it.");
}
