import { expected, type Works } from "../workload.ts";

/** No library at all: what the functions themselves cost. */
export const works: Works = {
  loop: (elements) => Promise.resolve(expected(elements)),
};
