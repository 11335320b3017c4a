import type { Greeting, Http2Greeting } from "./clients/greeting.ts";
import type { Server } from "./servers/server.ts";

/** A way to deliver messages that is measured. */
export interface Variant {
  /** What it is called on the command line. */
  readonly name: string;
  /** What it is called in tables. */
  readonly title: string;
  /** `limit`: what cannot be beaten. `control`: what one would write by hand, with no library. */
  readonly kind: "limit" | "control" | "ours" | "peer";
  /** Why it cannot be measured on this machine, if so. */
  readonly unavailable?: () => string | undefined;
  /** Whether it is on HTTP/2, and so measured in a section of its own. */
  readonly isHttp2?: boolean;
  /** Whether each client has a topic of its own, which is measured in the section `topics`. */
  readonly isPerTopic?: boolean;
  readonly start: (core: number) => Promise<Server>;
  readonly greeting: () => Greeting | Http2Greeting;
}
