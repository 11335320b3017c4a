/** The program of a process that holds thousands of clients, told what to do over IPC. */
import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import { serveCalls } from "./child.ts";
import { until } from "./clock.ts";
import { Member, Shared, type CrowdOptions } from "./crowd.ts";

interface Crowd {
  readonly shared: Shared;
  readonly members: readonly Member[];
}

/** How many connect at once. */
const AT_ONCE = 100;
const crowds: Crowd[] = [];

export interface CrowdState {
  readonly messages: number;
  readonly bytes: number;
  readonly violations: readonly string[];
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
  readonly samples: number;
  /** The longest that a member heard nothing, up to now. */
  readonly longestSilenceMs: number;
}

/** Those who read, of all crowds here. */
function readers(): Member[] {
  return crowds.flatMap(({ shared, members }) => (shared.options.reading ? members : []));
}

function figuresOf(delays: RecordableHistogram): Pick<CrowdState, "p50Us" | "p99Us" | "maxUs" | "samples"> {
  return { p50Us: delays.percentile(50), p99Us: delays.percentile(99), maxUs: delays.max, samples: delays.count };
}

function longestSilence(members: readonly Member[]): number {
  const time = performance.now();
  return Math.max(...members.map((one) => Math.max(one.longestSilenceMs, time - one.heardAt)));
}

serveCalls({
  open: async (options: CrowdOptions) => {
    const shared = new Shared(options);
    const members = Array.from({ length: options.count }, () => new Member(shared));
    for (let i = 0; i < members.length; i += AT_ONCE) {
      await Promise.all(members.slice(i, i + AT_ONCE).map((member) => member.start()));
    }
    crowds.push({ shared, members });
    return !options.reading || (await until(() => members.every(({ offset }) => offset >= 0), 30_000));
  },
  /** Resolves when every reader has had everything up to an offset: true, or false if that takes too long. */
  reach: ({ offset, timeoutMs }: { offset: number; timeoutMs: number }) => {
    const all = readers();
    return until(() => all.every((member) => member.offset >= offset), timeoutMs);
  },
  /** What has come of one crowd, the last that was opened but so many. */
  state: (back: number): CrowdState => {
    const { shared, members } = crowds.at(-1 - back) as Crowd;
    const { delays, messages, bytes, violations } = shared;
    const longestSilenceMs = longestSilence(members);
    return { messages, bytes, violations: violations.slice(0, 5), ...figuresOf(delays), longestSilenceMs };
  },
  /** What has come of all crowds together. */
  total: (): CrowdState => {
    const delays = createHistogram();
    for (const { shared } of crowds) delays.add(shared.delays);
    const members = crowds.flatMap((crowd) => crowd.members);
    return {
      messages: crowds.reduce((sum, { shared }) => sum + shared.messages, 0),
      bytes: crowds.reduce((sum, { shared }) => sum + shared.bytes, 0),
      violations: crowds.flatMap(({ shared }) => shared.violations.slice(0, 5)),
      ...figuresOf(delays),
      longestSilenceMs: longestSilence(members),
    };
  },
  resetDelays: () => {
    for (const { shared } of crowds) shared.delays.reset();
  },
  resetSilence: () => {
    for (const { members } of crowds) {
      for (const member of members) {
        member.heardAt = performance.now();
        member.longestSilenceMs = 0;
      }
    }
  },
});
