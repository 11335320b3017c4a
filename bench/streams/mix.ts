const TIMES = 20;

/**
 * Runs every source through every pair of operators, some twenty times: what a program does before it comes to the pipeline
 * that is measured. The engine then knows of no call within the library which function it will meet, and can inline none.
 */
export async function mix<S, O>(
  sources: readonly S[],
  operators: readonly O[],
  run: (source: S, first: O, second: O) => Promise<void>,
): Promise<void> {
  for (let time = 0; time < TIMES; time += 1) {
    for (const source of sources) {
      for (const first of operators) for (const second of operators) await run(source, first, second);
    }
  }
}
