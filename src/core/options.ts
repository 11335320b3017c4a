import { CometError, describe } from "./errors.ts";

/** Checks that an option is a whole number from `min` to `max`. @throws {CometError} `ERR_OPTION` otherwise. */
export function assertInteger(name: string, value: unknown, min: number, max: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new CometError("ERR_OPTION", `${name} must be a whole number from ${min} to ${max}, not ${describe(value)}.`);
}

/** Checks that an argument is a function. @throws {CometError} `ERR_OPTION` otherwise. */
export function assertFunction<F extends (...args: never[]) => unknown>(name: string, value: F): F {
  if (typeof value === "function") return value;
  throw new CometError("ERR_OPTION", `${name} must be a function, not ${describe(value)}.`);
}

/** The longest delay of a timer, in milliseconds. A longer one fires at once. */
export const MAX_TIMER_MS = 2_147_483_647;
