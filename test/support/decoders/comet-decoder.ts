import { CometError, describe } from "../../../src/core/errors.ts";
import { checkCallback } from "../../../src/wire/script-frame.ts";
import { checkDecoderOptions, type DecoderOptions, FrameBuffer, FrameReader, parseJson } from "./decoder.ts";
import { FrameError } from "./frame-error.ts";
import { controlItem, isControlName, itemOf } from "./item-reader.ts";
import type { WireItem } from "./wire-item.ts";
import type { JsonValue } from "../../../src/wire/json.ts";
import { readLiteral } from "./literal-reader.ts";

/** Options of {@link CometDecoder}. */
export interface CometDecoderOptions extends DecoderOptions {
  /** The mode of the request. */
  readonly mode: "plain" | "managed";
  /** The callback of the request: a dotted path of ASCII identifiers, of at most 128 characters. */
  readonly callback: string;
}

const LF = 10;
const BANG = 33;
const DASH = 45;
const SLASH = 47;
const LESS = 60;
const EQUALS = 61;
const GREATER = 62;
const QUESTION = 63;

/** The elements whose content is text up to their end tag, in a browser that runs scripts (HTML, 13.2.6). */
const rawElement = /^(?:script|style|title|textarea|xmp|iframe|noembed|noframes|noscript)$/;
/** The number of characters of a tag's name that distinguish these from all others. */
const ENOUGH_NAME = 9;

/**
 * The state of the reader: the states of HTML's tokenizer (13.2.5), merged. `less` is after `<`, `close` after `</`,
 * `bang` after `<!`, `dash` after `<!-`; `bogus` is a bogus comment or a doctype, which end at the next `>`.
 */
type State = "text" | "less" | "close" | "bang" | "dash" | "bogus" | "name" | "tag" | "raw" | "comment";

/**
 * Reads a comet document: PROTOCOL.md, section 5. It finds scripts and comments as an HTML parser does, runs nothing,
 * and skips the rest: the head, the padding, and scripts that do not begin with a call of the callback. A frame is the
 * text of a script or comment; skipped text is not held, and may have any length.
 *
 * - **plain**: a call is a message, with `id: ""` and no event name, since this mode sends neither. {@link readLiteral}
 *   reads its data. `open`, `gap` and `end` are in comments. A line end that does not follow an element is, after the
 *   first item, a heartbeat.
 * - **managed**: a comment carries items, one a line; an empty one is a heartbeat. A call carries the item of a
 *   refusal.
 *
 * It reads only documents of servers of this protocol: it does not know the effect of `<!--<script>` inside a script,
 * nor SVG and MathML.
 *
 * @throws {CometError} `ERR_OPTION`, `ERR_CALLBACK` from the constructor.
 */
export class CometDecoder extends FrameReader {
  readonly #onItem: DecoderOptions["onItem"];
  readonly #plain: boolean;
  readonly #call: string;
  readonly #text: FrameBuffer;
  #state: State = "text";
  /** Whether there was an item, and whether nothing has followed the last `>`. */
  #begun = false;
  #afterTag = false;
  #name = "";
  /**
   * Whether the tag's last character, spaces aside, was `=`; and the quote around the current attribute value, or 0.
   */
  #equals = false;
  #quote = 0;
  #endTag = "";
  /** The text that the content of a frame begins with; `undefined` once the content is known to be no frame. */
  #prefix: string | undefined;
  /**
   * The length of the content so far, and the number of its last bytes that may belong to its end: `</script`, `--`,
   * `--!`.
   */
  #length = 0;
  #pending = 0;

  constructor(options: CometDecoderOptions) {
    super();
    const { onItem, maxFrameBytes } = checkDecoderOptions(options);
    this.#onItem = onItem;
    this.#plain = options.mode === "plain";
    if (!this.#plain && options.mode !== "managed") {
      throw new CometError("ERR_OPTION", `mode must be plain or managed, not ${describe(options.mode)}.`);
    }
    this.#call = `${checkCallback(options.callback)}(`;
    this.#text = new FrameBuffer(maxFrameBytes, true);
  }

  protected override read(bytes: Uint8Array): void {
    let contentStart = 0;
    for (let i = 0; i < bytes.length; i += 1) {
      const byte = bytes[i] as number;
      if (this.#state !== "raw" && this.#state !== "comment") {
        this.#markup(byte);
        contentStart = i + 1;
      } else if (this.#state === "raw" ? this.#endsRaw(byte) : this.#endsComment(byte)) {
        this.#content(bytes.subarray(contentStart, i));
        // An end tag may have blanks and attributes before its `>`.
        this.#state = byte === GREATER ? "text" : "tag";
        this.#afterTag = true;
      } else {
        const prefix = this.#prefix;
        if (prefix !== undefined && this.#length < prefix.length && byte !== prefix.charCodeAt(this.#length)) {
          this.#prefix = undefined;
          this.#text.clear();
        }
        this.#length += 1;
      }
    }
    if (this.#prefix !== undefined) this.#text.add(bytes.subarray(contentStart), -this.#pending);
  }

  #markup(byte: number): void {
    const before = this.#state;
    const isName = isLetter(byte);
    if (before === "text") {
      if (byte === LESS) this.#state = "less";
      else if (byte === LF && this.#plain && this.#begun && !this.#afterTag) this.#give({ type: "heartbeat" });
      this.#afterTag = false;
    } else if (before === "less" && !isName && byte !== SLASH && byte !== BANG && byte !== QUESTION) {
      this.#state = "text";
      this.#markup(byte);
    } else if (before === "less") {
      this.#name = isName ? lower(byte) : "";
      this.#state = isName ? "name" : byte === SLASH ? "close" : byte === BANG ? "bang" : "bogus";
    } else if (before === "name" && !isSpace(byte) && byte !== SLASH && byte !== GREATER) {
      if (this.#name.length < ENOUGH_NAME) this.#name += lower(byte);
    } else if (before === "name" || before === "tag") {
      this.#state = "tag";
      this.#tag(byte);
    } else if (before === "dash" && byte === DASH) {
      this.#begin("comment", this.#plain ? "comet:" : "");
    } else if (byte === GREATER) {
      this.#state = "text";
      this.#afterTag = true;
    } else if (before === "close" && isName) {
      this.#state = "tag";
    } else {
      this.#state = before === "bang" && byte === DASH ? "dash" : "bogus";
    }
  }

  #tag(byte: number): void {
    if (this.#quote !== 0) {
      if (byte === this.#quote) this.#quote = 0;
    } else if (byte === GREATER) {
      this.#equals = false;
      this.#afterTag = true;
      this.#state = "text";
      if (rawElement.test(this.#name)) this.#begin("raw", this.#name === "script" ? this.#call : undefined);
    } else if (this.#equals && (byte === 0x22 || byte === 0x27)) {
      this.#equals = false;
      this.#quote = byte;
    } else if (!isSpace(byte)) {
      this.#equals = byte === EQUALS;
    }
  }

  #begin(state: "raw" | "comment", prefix: string | undefined): void {
    this.#state = state;
    this.#endTag = `</${this.#name}`;
    this.#name = "";
    this.#prefix = prefix;
    this.#length = 0;
    this.#pending = 0;
  }

  /** Whether this byte follows the name of the end tag, and ends it. */
  #endsRaw(byte: number): boolean {
    const end = this.#endTag;
    if (this.#pending === end.length && (byte === GREATER || byte === SLASH || isSpace(byte))) return true;
    this.#pending = lower(byte) === end[this.#pending] ? this.#pending + 1 : byte === LESS ? 1 : 0;
    return false;
  }

  /** Whether this byte is the `>` of `-->` or `--!>`, or of `<!-->` or `<!--->`, which are whole comments. */
  #endsComment(byte: number): boolean {
    const pending = this.#pending;
    if (byte === GREATER && (pending >= 2 || pending === this.#length)) return true;
    if (byte === DASH) this.#pending = pending === 3 ? 1 : Math.min(pending + 1, 2);
    else this.#pending = byte === BANG && pending === 2 ? 3 : 0;
    return false;
  }

  /** Reads the content that ends with this piece and the pending bytes. */
  #content(last: Uint8Array): void {
    const prefix = this.#prefix;
    this.#prefix = undefined;
    if (prefix === undefined) return;
    const text = this.#text.take(last, -this.#pending).slice(prefix.length, -this.#pending);
    if (this.#state === "comment") this.#comment(text);
    else if (!text.endsWith(");"))
      throw new FrameError(`A script does not end its call: ${describe(text.slice(-40))}.`);
    else if (this.#plain) this.#give({ type: "message", id: "", data: readLiteral(text.slice(0, -2)) });
    else this.#batch(text.slice(0, -2));
  }

  #give(item: WireItem | undefined): void {
    if (item === undefined) return;
    this.#begun = true;
    this.#onItem(item);
  }

  #comment(text: string): void {
    if (!this.#plain) {
      const lines = text.split("\n").filter((line) => line !== "");
      if (lines.length === 0) this.#give({ type: "heartbeat" });
      for (const line of lines) this.#give(itemOf(parseJson(line)));
      return;
    }
    const space = text.indexOf(" ");
    const name = text.slice(0, Math.max(space, 0));
    if (!isControlName(name)) return;
    this.#give(controlItem(name, parseJson(text.slice(space))));
  }

  #batch(text: string): void {
    const items = parseJson(text);
    if (!Array.isArray(items)) throw new FrameError(`The callback is given ${describe(items)}, and not an array.`);
    if (items.length === 0) this.#give({ type: "heartbeat" });
    for (const json of items as readonly JsonValue[]) {
      if (typeof json !== "string") throw new FrameError(`The callback is given an array of ${describe(json)}.`);
      this.#give(itemOf(parseJson(json)));
    }
  }
}

function isLetter(byte: number): boolean {
  return (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122);
}

/** Whether HTML treats this byte as space: tab, LF, FF, CR and space. */
function isSpace(byte: number): boolean {
  return byte === 32 || byte === 9 || byte === LF || byte === 12 || byte === 13;
}

function lower(byte: number): string {
  return String.fromCharCode(byte >= 65 && byte <= 90 ? byte + 32 : byte);
}
