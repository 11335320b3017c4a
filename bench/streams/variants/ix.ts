import { range, reduce } from "ix/asynciterable";
import { filter, map } from "ix/asynciterable/operators";
import { addUp, double, increment, isKept, type Works } from "../workload.ts";

export const works: Works = {
  pipe: (elements) =>
    reduce(range(0, elements).pipe(map(increment), map(double), filter(isKept)), { callback: addUp, seed: 0 }),
};
