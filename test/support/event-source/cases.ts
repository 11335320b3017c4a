import type { EventSourceCase } from "./case.ts";
import { connectionCases } from "./connection-cases.ts";
import { constructCases } from "./construct-cases.ts";
import { eventCases } from "./event-cases.ts";
import { streamCases } from "./stream-cases.ts";

/**
 * The cases of test/browser/event-source.test.ts: what an `EventSource` does by WHATWG HTML, section 9.2. Each of them has its own
 * name, a server and a page.
 */
export const eventSourceCases: readonly EventSourceCase[] = [
  ...constructCases,
  ...eventCases,
  ...connectionCases,
  ...streamCases,
];
