import { CometError } from "../../core/errors.ts";
import type { FiniteState, History, Notice } from "../../log/broker.ts";

/** The form of an epoch, which positions contain: PROTOCOL.md, section 2. */
const epochForm = /^[A-Za-z0-9]{1,32}$/;

/**
 * Checks the numbers and the order of a broker's answer. `decodeMessage` checks the content of its messages.
 *
 * @param after The requested offset.
 * @throws {CometError} `ERR_BROKER` if it breaks the contract, which is a defect of the broker.
 */
export function assertHistory(history: History, after: number): void {
  const { epoch, floor, head, messages, now, finite } = history;
  const fault = faultOf(epoch, floor, head, now) ?? faultInMessages(messages, after, head) ?? faultInState(finite);
  if (fault !== undefined) throw new CometError("ERR_BROKER", `The broker's answer is invalid: ${fault}.`);
}

function faultOf(epoch: unknown, floor: unknown, head: unknown, now: unknown): string | undefined {
  if (typeof epoch !== "string" || !epochForm.test(epoch)) return "its epoch is not 1 to 32 letters and digits";
  if (!isOffset(floor) || !isOffset(head) || floor > head) return "its floor or head is not an offset";
  return Number.isFinite(now) ? undefined : "its time is not a number";
}

function faultInMessages(messages: History["messages"], after: number, head: number): string | undefined {
  if (!Array.isArray(messages)) return "it has no messages";
  let last = after;
  for (const { offset, at } of messages) {
    if (!isOffset(offset) || offset <= last || offset > head) return "its messages are out of order";
    if (!Number.isFinite(at)) return `message ${offset} has no time`;
    last = offset;
  }
  return undefined;
}

function faultInState(finite: unknown): string | undefined {
  if (finite === undefined) return undefined;
  const { ttlMs, begunAfter, isExpired } = Object(finite) as Partial<FiniteState>;
  const isValid = isOffset(ttlMs) && isOffset(begunAfter) && typeof isExpired === "boolean";
  return isValid ? undefined : "its state of a topic that ends is not valid";
}

/** Whether a value is a notice with a valid epoch and offsets. `decodeMessage` checks the content of its message. */
export function isNotice(value: unknown): value is Notice {
  if (typeof value !== "object" || value === null) return false;
  const { epoch, previous, message } = value as Partial<Notice>;
  if (typeof epoch !== "string" || !epochForm.test(epoch) || !isOffset(previous)) return false;
  if (typeof (message as unknown) !== "object" || (message as unknown) === null) return false;
  return isOffset(message?.offset) && message.offset > previous;
}

function isOffset(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
