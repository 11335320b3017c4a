import os from "node:os";
import { Enumeratee, Enumerator } from "comet-sockets";

/** The description of this machine. */
export interface Machine {
  readonly host: string;
  readonly model: string;
  readonly cores: number;
}

export function thisMachine(): Machine {
  const cpus = os.cpus();
  return { host: os.hostname(), model: cpus[0]?.model.trim() ?? "", cores: cpus.length };
}

/** One reading of this machine. */
export interface Sample {
  /** When it was taken, in milliseconds since 1970. */
  readonly at: number;
  /** The load of each core since the previous reading, in percent, to a tenth. */
  readonly cores: readonly number[];
  readonly usedBytes: number;
  readonly totalBytes: number;
  /** Load averages over 1, 5 and 15 minutes; zeros on Windows, which has none. */
  readonly load: readonly number[];
}

/** Reads this machine. Core load counts from construction, then from reading to reading. */
export class MachineMeter {
  #before = os.cpus();

  read(): Sample {
    const now = os.cpus();
    const cores = now.map((core, i) => busyPercent(this.#before[i] ?? core, core));
    this.#before = now;
    const totalBytes = os.totalmem();
    // On Linux freemem() is MemAvailable: memory held by caches counts as free.
    return { at: Date.now(), cores, usedBytes: totalBytes - os.freemem(), totalBytes, load: os.loadavg() };
  }
}

/** Returns a source of readings, one each period in milliseconds. Each run counts from when it begins. */
export function samples(periodMs: number): Enumerator<Sample> {
  return Enumerator.defer(() => {
    const meter = new MachineMeter();
    return Enumerator.interval(periodMs).through(Enumeratee.map(() => meter.read()));
  });
}

function busyPercent(before: os.CpuInfo, now: os.CpuInfo): number {
  const total = totalMs(now) - totalMs(before);
  const busy = total - (now.times.idle - before.times.idle);
  // Counters of virtual machines sometimes stand still or run backwards.
  return total <= 0 ? 0 : Math.round(1000 * Math.min(Math.max(busy / total, 0), 1)) / 10;
}

function totalMs({ times }: os.CpuInfo): number {
  return times.user + times.nice + times.sys + times.idle + times.irq;
}
