/**
 * The content of streams: what the body of an append becomes in a topic, and what the messages of a topic become in an answer.
 *
 * - `application/json`: each value is a message. An array is a batch of them.
 * - `text/*`: each append is a message, a string.
 * - Any other type: each append is a message, a string of base64.
 *
 * An append of text or bytes that is too large for one message becomes several.
 */

import { joinBytes } from "../../core/bytes.ts";
import { CometError, describe } from "../../core/errors.ts";
import { utf8, utf8Length } from "../../core/utf8.ts";
import { jsonString } from "../../wire/literal.ts";
import { fromBase64, isBase64, toBase64 } from "./base64.ts";

/** The form in which a stream's content is kept in its topic. */
export type ContentKind = "json" | "text" | "binary";

/** A message, as far as the content of a stream needs it. */
export interface ContentMessage {
  readonly json: string;
  /** The data, if it is a string. */
  readonly text: string | undefined;
}

/** The longest content type, in characters. */
const MAX_TYPE_LENGTH = 200;
const mediaType = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+[ \t]*(?:;[\t\x20-\x7e]*)?$/;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Checks a content type. @throws {CometError} `ERR_REQUEST`. */
export function checkContentType(type: string): string {
  if (type.length <= MAX_TYPE_LENGTH && mediaType.test(type)) return type;
  throw new CometError(
    "ERR_REQUEST",
    `The Content-Type must be a media type, such as text/plain, not ${describe(type)}.`,
  );
}

/** Returns the media type of a content type without its parameters, in lower case. Two content types match if these are equal. */
export function mediaTypeOf(type: string): string {
  return (type.split(";", 1)[0] as string).trim().toLowerCase();
}

export function kindOf(type: string): ContentKind {
  const media = mediaTypeOf(type);
  if (media === "application/json") return "json";
  return media.startsWith("text/") ? "text" : "binary";
}

/**
 * Returns the data of the messages that a body becomes.
 *
 * @param maxBytes The size of the largest message, as JSON in UTF-8 bytes.
 * @throws {CometError} `ERR_REQUEST` if the body is not valid JSON, or not UTF-8 where the stream is text.
 */
export function dataOf(kind: ContentKind, body: Uint8Array, maxBytes: number): readonly unknown[] {
  if (body.length === 0) return [];
  if (kind === "binary") return piecesOf(body, maxBytes);
  const text = decode(body);
  if (kind === "text") return splitText(text, maxBytes);
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : [value];
  } catch (cause) {
    throw new CometError("ERR_REQUEST", "The body is not valid JSON.", { cause });
  }
}

/** Writes messages as the body of an answer. */
export function bodyOf(kind: ContentKind, messages: readonly ContentMessage[]): Uint8Array<ArrayBuffer> {
  if (kind === "json") return joinBytes([utf8(`[${messages.map(({ json }) => json).join(",")}]`)]);
  if (kind === "text") return joinBytes([utf8(messages.map(textOf).join(""))]);
  return joinBytes(messages.map(bytesOf));
}

/** Returns the text of a message in a stream of text. The application may have published a value that is no string. */
export function textOf({ text, json }: ContentMessage): string {
  return text ?? json;
}

/** Returns the base64 of a message in a stream of bytes. The application may have published something else. */
export function base64Of(message: ContentMessage): string {
  const text = textOf(message);
  return isBase64(text) ? text : toBase64(utf8(text));
}

function bytesOf(message: ContentMessage): Uint8Array {
  const text = textOf(message);
  return isBase64(text) ? fromBase64(text) : utf8(text);
}

function decode(body: Uint8Array): string {
  try {
    return decoder.decode(body);
  } catch (cause) {
    throw new CometError("ERR_REQUEST", "The body of a stream of text or JSON must be UTF-8.", { cause });
  }
}

/** Cuts bytes into pieces whose base64 fits into a message, in its quotes. */
function piecesOf(body: Uint8Array, maxBytes: number): string[] {
  const size = Math.floor((maxBytes - 2) / 4) * 3;
  if (size <= 0) throw new CometError("ERR_BODY_SIZE", `A message of this server has at most ${maxBytes} bytes.`);
  const pieces: string[] = [];
  for (let at = 0; at < body.length; at += size) pieces.push(toBase64(body.subarray(at, at + size)));
  return pieces;
}

/** Cuts a text into halves until each fits into a message as JSON. It never cuts a surrogate pair. */
function splitText(text: string, maxBytes: number): string[] {
  if (utf8Length(jsonString(text)) <= maxBytes) return [text];
  if (text.length < 3) throw new CometError("ERR_BODY_SIZE", `A message of this server has at most ${maxBytes} bytes.`);
  const half = text.length >> 1;
  const last = text.charCodeAt(half - 1);
  const at = last >= 0xd800 && last < 0xdc00 ? half + 1 : half;
  return [...splitText(text.slice(0, at), maxBytes), ...splitText(text.slice(at), maxBytes)];
}
