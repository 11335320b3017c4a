import { Enumeratee, Enumerator, Iteratee } from "../../../dist/index.js";
import { addUp, double, increment, isKept, request, type Works } from "../workload.ts";

const operators = Enumeratee.compose(Enumeratee.map(increment), Enumeratee.map(double), Enumeratee.filter(isKept));

const checksum = Iteratee.fold(0, addUp);

function counter(elements: number): Enumerator<number> {
  return Enumerator.unfold(0, (n) => (n < elements ? [n, n + 1] : undefined));
}

/** Every element awaited within the step, as in an async generator's body. */
function unfoldAsync(elements: number): Enumerator<number> {
  return Enumerator.unfoldAsync(0, async (n) => (n < elements ? [await request(n), n + 1] : undefined));
}

/** The promises themselves: no function of the user's waits. */
function repeatAsync(elements: number): Enumerator<number> {
  return Enumerator.defer(() => {
    let n = 0;
    return Enumerator.repeatAsync(() => request(n++));
  }).through(Enumeratee.take(elements));
}

async function sumByForAwait(source: Enumerator<number>): Promise<number> {
  let sum = 0;
  for await (const n of source) sum = addUp(sum, n);
  return sum;
}

export const works = {
  run: (elements) => counter(elements).through(operators).run(checksum),
  "for-await": (elements) => sumByForAwait(counter(elements).through(operators)),
  unfoldAsync: (elements) => unfoldAsync(elements).through(operators).run(checksum),
  "unfoldAsync, for-await": (elements) => sumByForAwait(unfoldAsync(elements).through(operators)),
  repeatAsync: (elements) => repeatAsync(elements).through(operators).run(checksum),
} satisfies Works;
