const FIRST_MS = 500;
const LONGEST_MS = 15_000;

/** How long to wait after so many failures: twice as long each time, and up to a half less, so that not all pages come at once. */
export function pauseMs(failures) {
  return Math.min(FIRST_MS * 2 ** failures, LONGEST_MS) * (1 - Math.random() / 2);
}
