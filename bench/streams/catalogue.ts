/**
 * What is compared: a source that has every element at hand; the same in a process that has run many other pipelines; and a
 * source whose every element is a promise.
 */
export type Scenario = "sync" | "mixed" | "waiting";

/** One way to do a scenario's work. */
export interface Variant {
  readonly scenario: Scenario;
  /** What the table calls it. Unique. */
  readonly title: string;
  /** The file in `variants/`. */
  readonly module: string;
  /** The name in that file's `works`. */
  readonly work: string;
  /** How many elements go through in one run: fewer where each costs more. All figures are for one element. */
  readonly elements: number;
  /** How many times the speed of this one the scenario's headline must have. */
  readonly target?: number;
}

const many = 1_000_000;
const few = 100_000;

/** The variants; the first of each scenario is its headline, to which the ratios are. */
export const catalogue: readonly Variant[] = [
  { scenario: "sync", title: "comet-sockets, run", module: "ours", work: "run", elements: many },
  { scenario: "sync", title: "comet-sockets, for await", module: "ours", work: "for-await", elements: many },
  { scenario: "sync", title: "RxJS", module: "rxjs", work: "pipe", elements: many, target: 0.8 },
  { scenario: "sync", title: "async generators", module: "async-generators", work: "sync", elements: few, target: 4 },
  {
    scenario: "sync",
    title: "TransformStream",
    module: "web-streams",
    work: "pipeThrough",
    elements: few,
    target: 30,
  },
  { scenario: "sync", title: "Readable.map", module: "node-streams", work: "operators", elements: few, target: 30 },
  { scenario: "sync", title: "IxJS", module: "ix", work: "pipe", elements: few, target: 30 },
  { scenario: "mixed", title: "comet-sockets, run, mixed", module: "ours-mixed", work: "run", elements: many },
  { scenario: "mixed", title: "RxJS, mixed", module: "rxjs-mixed", work: "pipe", elements: many, target: 0.8 },
  // The state and the step of unfoldAsync are the loop variable and the body of the generator.
  {
    scenario: "waiting",
    title: "comet-sockets, unfoldAsync, run",
    module: "ours",
    work: "unfoldAsync",
    elements: few,
  },
  {
    scenario: "waiting",
    title: "comet-sockets, unfoldAsync, for await",
    module: "ours",
    work: "unfoldAsync, for-await",
    elements: few,
  },
  {
    scenario: "waiting",
    title: "comet-sockets, repeatAsync, run",
    module: "ours",
    work: "repeatAsync",
    elements: few,
  },
  {
    scenario: "waiting",
    title: "async generators",
    module: "async-generators",
    work: "waiting",
    elements: few,
    target: 1.5,
  },
];
