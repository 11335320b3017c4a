import { CometError } from "../../core/errors.ts";
import { isCertificateError } from "../certificate-error.ts";

/** Replies of a server that did not run the command, and may run it later. */
const transient =
  /(?:^|[\s-])(?:LOADING|READONLY|OOM|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|MISCONF|NOREPLICAS|MOVED|ASK|NOSCRIPT)\s/;
/** Replies of a server that will not run the command as it is configured. */
const settled = /(?:^|[\s-])(?:NOAUTH|WRONGPASS|NOPERM|WRONGTYPE)\s/;
/** Other replies where the client and the server do not fit together. */
const mismatch =
  /^ERR (?:AUTH |invalid password|Client sent AUTH|DB index|This instance has cluster support disabled|unknown command|unknown subcommand)|user executing the script can't/i;
/** Errors of a client that did not send the command: it has no connection, or its queue is full. */
const unsent = new Set(["ClientClosedError", "ClientOfflineError"]);

/**
 * A reply as text. Clients return texts or bytes, by their options.
 *
 * This file decodes the errors of Redis; `message-codec.ts` decodes messages and positions.
 */
export function textOf(reply: unknown): string {
  return typeof reply === "string" ? reply : String(reply);
}

/** The fields of a map, which RESP 2 returns as a list. */
export function fieldsOf(reply: unknown): Partial<Record<string, string>> {
  if (!Array.isArray(reply)) {
    const entries = reply instanceof Map ? [...reply] : Object.entries(reply ?? {});
    return Object.fromEntries(entries.map(([name, value]) => [textOf(name), textOf(value)]));
  }
  const fields: Record<string, string> = {};
  for (let i = 0; i < reply.length; i += 2) fields[textOf(reply[i])] = textOf(reply[i + 1]);
  return fields;
}

/** The error of a client that has moved its connection. */
export function movedError(): CometError {
  return new CometError(
    "ERR_BROKER_CONFIG",
    "The client has moved its connection to another server by itself, so acknowledged messages may be lost unnoticed. " +
      "Use a client whose copies emit error or end when their connection breaks, such as that of createClient. With sentinels, use the option sentinel.",
  );
}

/** Whether the server has lost a script. */
export function isNoScript(error: unknown): boolean {
  return messageOf(error).startsWith("NOSCRIPT");
}

/** Whether the server has become a replica, so that this connection cannot write any more. */
export function isDemoted(error: unknown): boolean {
  return /(?:^|[\s-])(?:READONLY|MASTERDOWN)\s/.test(messageOf(error));
}

export function isWrongType(error: unknown): boolean {
  return /(?:^|[\s-])WRONGTYPE\s/.test(messageOf(error));
}

/** Whether the user lacks the permission for a command. */
export function isDenied(error: unknown): boolean {
  return /(?:^|[\s-])NOPERM\s/.test(messageOf(error));
}

/** The error of a command that was to change nothing: `ERR_BROKER_CONFIG` if the server refuses it, `ERR_BROKER` otherwise. */
export function brokerError(action: string, error: unknown): CometError {
  if (error instanceof CometError) return error;
  const message = messageOf(error);
  if (settled.test(message) || mismatch.test(message) || isCertificateError(error)) {
    return new CometError("ERR_BROKER_CONFIG", `Redis refuses to ${action}: ${message}`, { cause: error });
  }
  return new CometError("ERR_BROKER", `Redis did not ${action}: ${message}`, { cause: error });
}

/**
 * The error of a command that was to change something: `ERR_UNACKNOWLEDGED` unless the server is known to have rejected it, or the client
 * is known not to have sent it. Any other error must not become `ERR_BROKER` here: the application would publish a message twice.
 */
export function writeError(action: string, error: unknown): CometError {
  if (error instanceof CometError) return error;
  const message = messageOf(error);
  const isKnown = transient.test(message) || settled.test(message) || isUnsent(error);
  if (isKnown) return brokerError(action, error);
  return new CometError("ERR_UNACKNOWLEDGED", `Redis did not acknowledge: ${action}: ${message}`, { cause: error });
}

function isUnsent(error: unknown): boolean {
  return error instanceof Error && (unsent.has(error.constructor.name) || error.message === "The queue is full");
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") return error.errors.map(messageOf).join("; ");
  return error instanceof Error ? error.message : String(error);
}
