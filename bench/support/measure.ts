/** What some whole runs of a piece of work took. */
export interface Section {
  /** How many runs. */
  readonly runs: number;
  readonly wallMs: number;
  /** All threads of the process, user and system: the garbage collector and the compiler are paid for. */
  readonly cpuMs: number;
}

/** Runs `work` again and again, in whole runs, for at least `minMs` milliseconds and at least twice. */
export async function measure(work: () => Promise<void>, minMs: number): Promise<Section> {
  const cpuBefore = process.cpuUsage();
  const start = performance.now();
  let runs = 0;
  let wallMs = 0;
  while (runs < 2 || wallMs < minMs) {
    await work();
    runs += 1;
    wallMs = performance.now() - start;
  }
  const { user, system } = process.cpuUsage(cpuBefore);
  return { runs, wallMs, cpuMs: (user + system) / 1000 };
}
