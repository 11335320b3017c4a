import { filter, lastValueFrom, map, range, reduce } from "rxjs";
import { addUp, double, increment, isKept, type Works } from "../workload.ts";

/** With `range`, the fastest of its counters. */
export const works = {
  pipe: (elements) =>
    lastValueFrom(range(0, elements).pipe(map(increment), map(double), filter(isKept), reduce(addUp, 0))),
} satisfies Works;
