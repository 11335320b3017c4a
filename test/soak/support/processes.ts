import { Child } from "./child.ts";

const serverScript = new URL("server-process.ts", import.meta.url);
const crowdScript = new URL("crowd-process.ts", import.meta.url);
const preload = new URL("probe-preload.ts", import.meta.url);

/** A process with nothing but a hub behind an HTTP server. @param flags Options of Node. */
export function serverProcess(flags: readonly string[] = []): Child {
  return new Child(serverScript, [], ["--expose-gc", ...flags]);
}

/** The same, watched by the probe. */
export function probedServerProcess(): Child {
  return new Child(serverScript, [], ["--expose-gc", "--import", preload.href]);
}

/** A process with nothing but clients. */
export function crowdProcess(): Child {
  return new Child(crowdScript);
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`;
}

/** Microseconds as milliseconds. */
export function ms(us: number): string {
  return `${(us / 1000).toFixed(1)} ms`;
}

/** Conditions that a soak is to meet; those that are not met are printed at once, and fail it. */
export class Checks {
  failed = 0;

  that(condition: boolean, what: string): void {
    if (condition) return;
    this.failed += 1;
    console.log(`  FAILED: ${what}`);
  }

  /** Sets the exit code. */
  end(): void {
    if (this.failed > 0) process.exitCode = 1;
  }
}
