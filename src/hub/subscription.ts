import type { OpenState, Wire } from "../wire/item.ts";

/** One client on a hub, from its first byte to its last. */
export interface Subscription {
  /** A number of its own within this hub. */
  readonly id: number;
  readonly topics: readonly string[];
  readonly wire: Wire;
  /** Who it is, as `connect` was told. */
  readonly identity: string | undefined;
  /** How each topic began. */
  readonly states: { readonly [topic: string]: OpenState };
  /** Where the client is, as far as the hub has sent: what it would come back with. */
  readonly position: string;
  /**
   * Ends it: `unauthorized` for a client that may not follow its topics any more, `gone` where there will be no more
   * messages. The client is told not to come back. Does nothing once it is over.
   */
  close(reason: "unauthorized" | "gone"): void;
}

/** What a connection writes its bytes to. */
export interface Sink {
  /** Whether what it is given is to be in HTTP/1.1's chunked coding already. */
  readonly isChunked: boolean;
  /** Takes some bytes, and answers whether it wants more now. If not, it says so later by `Connection.drained`. */
  write(bytes: Uint8Array): boolean;
  /** Takes the last bytes, and ends the response after them. */
  end(bytes: Uint8Array): void;
  /** Breaks the response off. */
  destroy(): void;
}
