import { CometError, describe } from "../../core/errors.ts";
import { checkField } from "../../core/validate-field.ts";
import type { Outcome, TopicEnd } from "../../wire/item.ts";
import type { EndOptions } from "../topic.ts";

/** The longest text of a failure that readers are shown, in UTF-16 code units. */
const MAX_MESSAGE_LENGTH = 1000;

const loneSurrogate = /\p{Surrogate}/u;

/**
 * Returns the end of a topic as its readers see it.
 *
 * An `Error` may say anything about the server, so readers get a fixed text instead of its own.
 *
 * @throws {CometError} `ERR_OPTION` for an outcome that does not exist, or a failure with a bad code or message.
 */
export function topicEnd(topic: string, { outcome = "complete", error }: EndOptions): TopicEnd {
  if (error !== undefined) return { topic, outcome: "failed", ...failureOf(error) };
  if (outcome === "failed") return { topic, outcome, ...UNKNOWN_FAILURE };
  if (["complete", "stopped"].includes(outcome)) return { topic, outcome };
  throw new CometError("ERR_OPTION", `outcome must be complete, failed or stopped, not ${describe(outcome)}.`);
}

const UNKNOWN_FAILURE = { code: "ERR_FAILED", message: "The source of this topic has failed." } as const;

function failureOf(error: unknown): { readonly code: string; readonly message: string } {
  if (typeof error !== "object" || error === null || error instanceof Error) return UNKNOWN_FAILURE;
  const { code = UNKNOWN_FAILURE.code, message = UNKNOWN_FAILURE.message } = error as Record<string, unknown>;
  if (typeof message !== "string" || message.length > MAX_MESSAGE_LENGTH || loneSurrogate.test(message)) {
    const limit = `a text of at most ${MAX_MESSAGE_LENGTH} characters`;
    throw new CometError("ERR_OPTION", `The message of an end's error must be ${limit}, not ${describe(message)}.`);
  }
  return { code: checkField("The code of an end's error", code, "ERR_OPTION") as string, message };
}

/** Encodes the end of a topic for a broker. */
export function encodeEnd({ topic: _, ...end }: TopicEnd): string {
  return JSON.stringify(end);
}

/**
 * Checks the end of a topic that a broker has, as strictly as one of this application. Other programs may have written to
 * the broker.
 *
 * @throws {CometError} `ERR_MESSAGE` if no hub could have published it.
 */
export function decodeEnd(topic: string, json: unknown): TopicEnd {
  try {
    const given: unknown = typeof json === "string" ? JSON.parse(json) : undefined;
    if (typeof given !== "object" || given === null) throw new TypeError("It is no JSON object.");
    const { outcome = "", code, message } = given as Record<string, unknown>;
    const error = outcome === "failed" ? { code, message } : undefined;
    return topicEnd(topic, { outcome: outcome as Outcome, error });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CometError("ERR_MESSAGE", `Its end is invalid: ${reason}`, { cause });
  }
}
