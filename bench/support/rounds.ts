/**
 * Measures every item once a round, in turn, and the other way round in every second round, so that a machine that gets
 * slower or faster meanwhile does so for all of them.
 *
 * @param rounds How many rounds, 1 or more.
 * @returns The results of each item, one a round.
 */
export async function inRounds<T, R>(
  items: readonly T[],
  rounds: number,
  measureOne: (item: T, round: number) => Promise<R>,
): Promise<Map<T, R[]>> {
  const results = new Map<T, R[]>(items.map((item) => [item, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const item of round % 2 === 0 ? items : items.toReversed()) {
      results.get(item)?.push(await measureOne(item, round));
    }
  }
  return results;
}
