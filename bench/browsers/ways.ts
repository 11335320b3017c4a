/** A way for a page to be given events. */
export interface Way {
  /** What it is called on the command line, and in the page. */
  readonly name: string;
  /** What it is called in tables. */
  readonly title: string;
}

export const ways: readonly Way[] = [
  { name: "ndjson", title: "client, ndjson" },
  { name: "sse", title: "client, sse" },
  { name: "comet", title: "client, comet" },
  { name: "postedComet", title: "client, postedComet" },
  { name: "poll", title: "client, poll" },
  { name: "forAwait", title: "client, ndjson, for await" },
  { name: "reader", title: "a bare fetch reader" },
  { name: "eventSource", title: "a plain EventSource" },
  { name: "callback", title: "a plain iframe with a callback" },
];
