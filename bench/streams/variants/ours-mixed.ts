import { Enumeratee, Enumerator, Iteratee } from "../../../dist/index.js";
import { mix } from "../mix.ts";
import { addUp, type Works } from "../workload.ts";
import { works as own } from "./ours.ts";

const numbers = Array.from({ length: 1000 }, (_, n) => n);

const sources = [
  () => Enumerator.of(...numbers),
  () => Enumerator.from(new Set(numbers)),
  () => Enumerator.repeat(() => 3).through(Enumeratee.take(1000)),
  () => Enumerator.unfold(0, (n) => (n < 1000 ? [n, n + 1] : undefined)),
];

const operators = [
  Enumeratee.map((n: number) => n + 2),
  Enumeratee.filter((n: number) => n > 3),
  Enumeratee.take<number>(900),
  Enumeratee.drop<number>(3),
  Enumeratee.scan(0, addUp),
  Enumeratee.distinctUntilChanged<number>(),
  Enumeratee.takeWhile((n: number) => n !== -1),
  Enumeratee.mapConcat((n: number) => [n, n]),
  Enumeratee.tap<number>(() => undefined),
];

await mix(sources, operators, async (source, first, second) => {
  await source().through(first).through(second).run(Iteratee.count());
  await source().through(first).through(second).run(Iteratee.fold(0, addUp));
});

/** The same pipeline, in a process that has run many others before. */
export const works: Works = { run: own.run };
