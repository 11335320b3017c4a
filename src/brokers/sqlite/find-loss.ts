import { readFileSync, statSync } from "node:fs";
import { uptime } from "node:os";
import type { Mark } from "./mark-file.ts";
import type { StateRow } from "./state-table.ts";

/** What the file system and the operating system say of a file when it is opened. */
export interface Origin {
  /** The file's identity, which a copy or a restored file does not have. */
  readonly file: string;
  /** The present run of the operating system. */
  readonly boot: string;
  /** Whether there was a write-ahead log: the last process has not closed the file. */
  readonly hadLog: boolean;
  readonly mark: Mark | undefined;
}

/**
 * Whether a file may have lost messages that it had acknowledged, so that topics must begin other epochs: it is a copy, or an earlier
 * state was restored, or its writes were not flushed when the operating system stopped.
 *
 * It does not notice that file and mark were both restored in place, or that the whole machine was.
 */
export function hasLost(state: StateRow, seq: number, { file, boot, hadLog, mark }: Origin): boolean {
  if (!isSameFile(state.file, file)) return true;
  if (mark === undefined || mark.uid !== state.uid || mark.seq > seq) return true;
  // Without `normal` every commit is flushed.
  return state.boot !== null && !isSameBoot(state.boot, boot) && hadLog;
}

/** The identity of a file, which stays until it is replaced: its inode, and the time of its birth where the system knows that. */
export function fileIdentity(path: string): string {
  const { ino, birthtimeNs, ctimeNs } = statSync(path, { bigint: true });
  // A system that knows no birth gives 0, or the time of the last change.
  return birthtimeNs === 0n || birthtimeNs === ctimeNs ? String(ino) : `${ino} ${birthtimeNs}`;
}

function isSameFile(one: string, other: string): boolean {
  const [inode, birth] = one.split(" ");
  const [otherInode, otherBirth] = other.split(" ");
  return inode === otherInode && (birth === undefined || otherBirth === undefined || birth === otherBirth);
}

/** The id of the present run of the operating system; elsewhere than on Linux the time at which it began, in seconds. */
export function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return `since ${Math.round(Date.now() / 1000 - uptime())}`;
  }
}

/** The tolerance in seconds of a time at which the operating system began: clocks are set. */
const BOOT_SECONDS = 60;

function isSameBoot(one: string, other: string): boolean {
  const [since, otherSince] = [one, other].map((boot) => Number(/^since (\d+)$/.exec(boot)?.[1]));
  if (since === undefined || otherSince === undefined || Number.isNaN(since + otherSince)) return one === other;
  return Math.abs(since - otherSince) <= BOOT_SECONDS;
}
