import type {
  EndedItem,
  EndItem,
  GapItem,
  MissingItem,
  OpenItem,
  Problem,
  WireMessage,
} from "../../../src/wire/item.ts";

/** One item of a decoded stream. */
export type WireItem =
  | ({ readonly type: "message" } & WireMessage)
  | ({ readonly type: "open" } & OpenItem)
  | ({ readonly type: "gap" } & GapItem)
  | ({ readonly type: "ended" } & EndedItem)
  | ({ readonly type: "missing" } & MissingItem)
  | ({ readonly type: "end" } & EndItem)
  | { readonly type: "error"; readonly problem: Problem }
  | { readonly type: "heartbeat" };
