import {
  count,
  distinctUntilChanged,
  filter,
  from,
  generate,
  lastValueFrom,
  map,
  mergeMap,
  range,
  reduce,
  scan,
  skip,
  take,
  takeWhile,
  tap,
} from "rxjs";
import { mix } from "../mix.ts";
import { addUp, type Works } from "../workload.ts";
import { works as own } from "./rxjs.ts";

const numbers = Array.from({ length: 1000 }, (_, n) => n);

const sources = [
  () => from(numbers),
  () => from(new Set(numbers)),
  () => range(0, 1000),
  () => generate({ initialState: 0, condition: (n) => n < 1000, iterate: (n) => n + 1 }),
];

const operators = [
  map((n: number) => n + 2),
  filter((n: number) => n > 3),
  take<number>(900),
  skip<number>(3),
  scan(addUp, 0),
  distinctUntilChanged<number>(),
  takeWhile((n: number) => n !== -1),
  mergeMap((n: number) => [n, n]),
  tap<number>(() => undefined),
];

await mix(sources, operators, async (source, first, second) => {
  await lastValueFrom(source().pipe(first, second, count()));
  await lastValueFrom(source().pipe(first, second, reduce(addUp, 0)));
});

/** The same pipeline, in a process that has run many others before. */
export const works: Works = { pipe: own.pipe };
