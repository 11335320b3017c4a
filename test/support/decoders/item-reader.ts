import { describe } from "../../../src/core/errors.ts";
import { FrameError } from "./frame-error.ts";
import type { ControlItems, EndReason, OpenState, Problem } from "../../../src/wire/item.ts";
import type { WireItem } from "./wire-item.ts";
import type { JsonValue } from "../../../src/wire/json.ts";

type Check = (value: unknown) => boolean;

const isString: Check = (value) => typeof value === "string";
const isAmount: Check = (value) => Number.isFinite(value) && (value as number) >= 0;
const isAmountOrNull: Check = (value) => value === null || isAmount(value);
const isStates: Check = (value) => isObject(value) && Object.values(value).every(isString);

/** The members of each item, with the check of each. */
const members: { readonly [Name in keyof ControlItems]: { readonly [member: string]: Check } } = {
  open: { states: isStates, position: isString, heartbeatMs: isAmount },
  gap: { topic: isString, missed: isAmountOrNull, position: isString },
  ended: { topic: isString, outcome: isString, position: isString },
  missing: { topic: isString, status: isAmount },
  end: { reason: isString, position: isString, retryMs: isAmountOrNull },
  error: { type: isString, title: isString, status: isAmount, code: isString, detail: isString },
};

const reasons: { readonly [Reason in EndReason]: true } = {
  recycle: true,
  drain: true,
  overflow: true,
  poll: true,
  unauthorized: true,
  gone: true,
};

/**
 * Reads the item of one object of ndjson: a message if it has `data`, otherwise the first of `open`, `gap`, `ended`, `missing`, `end`
 * and `error` that it has. Unknown members are left out; an object with none of these is `undefined`.
 *
 * @throws {FrameError} if it is no object, or a known member is missing or of the wrong type.
 */
export function itemOf(value: JsonValue): WireItem | undefined {
  if (!isObject(value)) throw new FrameError(`A frame is ${describe(value)}, and not an object.`);
  if (Object.hasOwn(value, "data")) {
    const item: Record<string, unknown> = { type: "message", id: member("message", value, "id", isString) };
    for (const name of ["event", "key", "messageId"]) {
      if (Object.hasOwn(value, name)) item[name] = member("message", value, name, isString);
    }
    item["data"] = value["data"];
    return item as WireItem;
  }
  for (const name of Object.keys(members) as (keyof ControlItems)[]) {
    if (Object.hasOwn(value, name)) return controlItem(name, value[name] as JsonValue);
  }
  return undefined;
}

/** Whether it is the name of an item beside messages of a stream that is not refused. */
export function isControlName(name: string | undefined): name is Exclude<keyof ControlItems, "error"> {
  return name !== undefined && name !== "error" && Object.hasOwn(members, name);
}

/**
 * Reads the item of this name. An unknown end reason becomes `recycle`, and an unknown state `gap`: PROTOCOL.md,
 * section 4.
 *
 * @throws {FrameError} if the value is no object, or a member is missing or of the wrong type.
 */
export function controlItem(name: keyof ControlItems, value: JsonValue): WireItem {
  if (!isObject(value)) throw new FrameError(`The item ${name} is ${describe(value)}, and not an object.`);
  const item: Record<string, JsonValue> = {};
  for (const [key, check] of Object.entries(members[name])) item[key] = member(name, value, key, check);
  if (name === "error") {
    if (isAmount(value["retryMs"])) item["retryMs"] = value["retryMs"] as number;
    return { type: name, problem: item as unknown as Problem };
  }
  if (name === "ended") {
    for (const key of ["code", "message"]) if (isString(value[key])) item[key] = value[key] as string;
  }
  if (name === "end" && !Object.hasOwn(reasons, item["reason"] as string)) item["reason"] = "recycle";
  if (name === "open" && Array.isArray(value["removed"])) item["removed"] = value["removed"];
  if (name === "open" && Array.isArray(value["finite"])) item["finite"] = value["finite"];
  if (name === "open") item["states"] = knownStates(item["states"] as { readonly [topic: string]: string });
  return { type: name, ...item } as unknown as WireItem;
}

function knownStates(states: { readonly [topic: string]: string }): { readonly [topic: string]: OpenState } {
  const entries = Object.entries(states);
  return Object.fromEntries(
    entries.map(([topic, state]) => [topic, state === "fresh" || state === "recovered" ? state : "gap"]),
  );
}

function isObject(value: unknown): value is { readonly [key: string]: JsonValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads an own member only: JSON may have a key `__proto__`, and a topic may be called `constructor`. */
function member(item: string, object: { readonly [key: string]: JsonValue }, name: string, check: Check): JsonValue {
  const value = Object.hasOwn(object, name) ? object[name] : undefined;
  if (value !== undefined && check(value)) return value;
  throw new FrameError(
    `The ${name} of an item ${item} is ${value === undefined ? "missing" : `wrong: ${describe(value)}`}.`,
  );
}
