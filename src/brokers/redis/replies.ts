import { CometError } from "../../core/errors.ts";
import type { BrokerMessage, History, Notice } from "../../log/broker.ts";
import type { Position } from "../../log/position.ts";

/** Replies of a server that has not done what it was asked for, and may do it later. */
const transient =
  /(?:^|[\s-])(?:LOADING|READONLY|OOM|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|MISCONF|NOREPLICAS|MOVED|ASK|NOSCRIPT)\s/;
/** Replies of a server that will not do it as things are. */
const settled = /(?:^|[\s-])(?:NOAUTH|WRONGPASS|NOPERM|WRONGTYPE)\s/;
/** What other replies say where the client and the server do not go together. */
const mismatch =
  /^ERR (?:AUTH |invalid password|Client sent AUTH|DB index|This instance has cluster support disabled|unknown command|unknown subcommand)|user executing the script can't/i;
/** Errors of a client that has not sent anything, because it has no connection, or too much to send already. */
const unsent = new Set(["ClientClosedError", "ClientOfflineError"]);

function isUnsent(error: unknown): boolean {
  return error instanceof Error && (unsent.has(error.constructor.name) || error.message === "The queue is full");
}

export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") return error.errors.map(messageOf).join("; ");
  return error instanceof Error ? error.message : String(error);
}

/** Whether the server has forgotten a script. */
export function isNoScript(error: unknown): boolean {
  return messageOf(error).startsWith("NOSCRIPT");
}

/** Whether the server cannot be written to by this connection any more: it is a replica now. */
export function isDemoted(error: unknown): boolean {
  return /(?:^|[\s-])(?:READONLY|MASTERDOWN)\s/.test(messageOf(error));
}

export function isWrongType(error: unknown): boolean {
  return /(?:^|[\s-])WRONGTYPE\s/.test(messageOf(error));
}

/** What to tell of a failure where nothing was to be changed. */
export function brokerError(what: string, error: unknown): CometError {
  if (error instanceof CometError) return error;
  const message = messageOf(error);
  if (settled.test(message) || mismatch.test(message)) {
    return new CometError("ERR_BROKER_CONFIG", `Redis refuses to ${what}: ${message}`, { cause: error });
  }
  return new CometError("ERR_BROKER", `Redis did not ${what}: ${message}`, { cause: error });
}

/** What to tell of a publish that failed: only what the server has refused, or was never sent, is certainly not published. */
export function publishError(error: unknown): CometError {
  if (error instanceof CometError) return error;
  const message = messageOf(error);
  const isKnown = transient.test(message) || settled.test(message) || isUnsent(error);
  if (isKnown) return brokerError("publish", error);
  return new CometError("ERR_UNACKNOWLEDGED", `Redis did not say whether it has the message: ${message}`, {
    cause: error,
  });
}

/** A reply as text, which a client may give as bytes. */
export function textOf(reply: unknown): string {
  return typeof reply === "string" ? reply : String(reply);
}

/** `epoch offset`. */
export function positionOf(reply: unknown): Position {
  const [epoch = "", offset = ""] = textOf(reply).split(" ");
  return { epoch, offset: Number(offset) };
}

/** What the read script gives. */
export function historyOf(reply: unknown): History {
  const [epoch = "", floor, head, now, ...parts] = (reply as unknown[]).map(textOf);
  const messages: BrokerMessage[] = [];
  for (let i = 0; i < parts.length; i += 4) {
    messages.push(
      messageFrom(parts[i] as string, parts[i + 1] as string, parts[i + 2] as string, parts[i + 3] as string),
    );
  }
  return { epoch, floor: Number(floor), head: Number(head), messages, now: Number(now) };
}

/** `epoch offset time fields`, and in the next line the data; undefined if it is something else. */
export function noticeOf(text: string): Notice | undefined {
  const match = /^([A-Za-z0-9]{1,32}) (\d+) (\d+) (\{[^\n]*\})\n/.exec(text);
  if (match === null) return undefined;
  const [line, epoch, offset, at, about] = match as unknown as [string, string, string, string, string];
  const message = messageFrom(offset, at, about, text.slice(line.length));
  return { epoch, previous: message.offset - 1, message };
}

/** The fields of a message but its data. */
export function aboutOf({ event, key, messageId }: Pick<BrokerMessage, "event" | "key" | "messageId">): string {
  return JSON.stringify({ event, key, messageId });
}

function messageFrom(offset: string, at: string, about: string, json: string): BrokerMessage {
  const { event, key, messageId } = (about === "{}" ? {} : JSON.parse(about)) as Partial<Record<string, string>>;
  return { offset: Number(offset), at: Number(at), json, event, key, messageId };
}
