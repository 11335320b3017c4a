import type { Wire } from "../../wire/item.ts";

/** The wire of a request, and its mode: PROTOCOL.md, section 3. */
export interface WireChoice {
  readonly wire: Wire;
  readonly managed: boolean;
  readonly callback: string;
  /** The function of a plain comet page that is called with the end of a topic. */
  readonly onEnded: string | undefined;
  /** The origin that a managed comet posts its items to. */
  readonly target: string | undefined;
}

/** The comet wire without further parameters. */
export const plainComet: WireChoice = {
  wire: "comet",
  managed: false,
  callback: "parent.cometMessage",
  onEnded: undefined,
  target: undefined,
};

/** The callbacks and origins that the application allows. */
export interface AllowedListeners {
  readonly isCallback: (callback: string) => boolean;
  readonly cors: { readonly origins: ReadonlySet<string> } | undefined;
}

/** Returns whether the hub sends messages to the callback or origin that a comet request names. */
export function isListener({ managed, callback, target }: WireChoice, { isCallback, cors }: AllowedListeners): boolean {
  return target === undefined ? isCallback(callback) : managed && cors?.origins.has(target) === true;
}
