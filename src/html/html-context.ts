import { attributeHole, rawText, rcdata, scriptHole } from "./element-rules.ts";
import { CometError } from "../core/errors.ts";
import { OpenElements } from "./open-elements.ts";
import { ScriptContext } from "./script-context.ts";

/** The context of a hole in a template: it decides how a value is written. */
export type HoleContext =
  /** Between tags: text is escaped, `Html` is unchanged. */
  | "content"
  /** The same in a `<select>`, for `Html` without scripts, styles and other elements of text. */
  | "select content"
  /** The same in an `<svg>` or `<math>`, for `Html` of their elements only. */
  | "foreign content"
  /** Text only: in a `<title>`, a `<textarea>` or a quoted attribute. */
  | "text"
  /** The whole value of an attribute that is an address. */
  | "address"
  /** A JavaScript literal. */
  | "script"
  /** A JSON value in a data block such as `<script type="application/json">`. */
  | "json";

/** The characters that HTML counts as white space, which are fewer than those of JavaScript. */
const space = /[\t\n\f\r ]/;
const tagName = /^<(\/?[a-z][^\t\n\f\r />]*)/i;
const moduleAddress = /(?<![\w$.])(?:import\s*\(?|from)\s*$/;

/** Lowers ASCII letters only, as the tokenizer does: `toLowerCase` also makes a `k` of the Kelvin sign. */
function lower(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

type State =
  | "data"
  | "tag"
  | "attribute name"
  | "after attribute name"
  | "attribute value"
  | '"'
  | "'"
  | "unquoted"
  | "element text"
  | "comment";

/**
 * Tracks the fixed parts of an HTML template as the HTML tokenizer would (HTML, 13.2.5), and returns the context of
 * each hole.
 *
 * Its errors complete "a value, or its end, is ...". It knows less than a browser, and rejects everything that it does not know: keep it so. test/property/html.test.ts
 * compares it with a parser.
 */
export class HtmlContext {
  #state: State = "data";
  /** The current tag, in lower case; with a slash for an end tag. */
  #tag = "";
  #attribute = "";
  #value = "";
  /** The type of the current script; the first attribute of a name counts. */
  #scriptType: string | undefined;
  #hasHttpEquiv = false;
  #contentHole = false;
  /** The element of the current text: a script, a title, a style ... */
  #element = "";
  #script = new ScriptContext();
  /** The last characters of that text: an open `<` and a value could together become a tag. */
  #tail = "";
  readonly #open = new OpenElements();
  #wholeAddress = false;

  /** Reads the next fixed part. @throws {CometError} */
  read(text: string): void {
    if (this.#wholeAddress && text[0] !== this.#state) {
      throw new CometError("ERR_HTML", "at the beginning of an address that goes on: build the whole address first");
    }
    this.#wholeAddress = false;
    let at = 0;
    while (at < text.length) at = this.#step(text, at);
  }

  /** Returns the context of a hole at this point. @throws {CometError} if no value is safe here. */
  hole(): HoleContext {
    switch (this.#state) {
      case "data":
        return this.#dataHole();
      case '"':
      case "'":
        return this.#attributeHole();
      case "element text":
        return this.#elementHole();
      case "attribute value":
      case "unquoted":
        throw new CometError("ERR_HTML", "in an attribute without quotes: put the value in quotes");
      case "comment":
        throw new CometError("ERR_HTML", "in a comment");
      default:
        throw new CometError("ERR_HTML", "inside a tag: only text, quoted attributes and scripts take values");
    }
  }

  /** Checks that the template ends where it began: between tags. @throws {CometError} */
  end(): void {
    if (this.#state === "element text")
      throw new CometError("ERR_HTML", `at the end of the template, in an open <${this.#element}>`);
    if (this.#state !== "data")
      throw new CometError("ERR_HTML", "at the end of the template, inside a tag or a comment");
    this.#open.finish();
  }

  /** The elements that the template has opened, and what it may be a part of. */
  get elements(): OpenElements {
    return this.#open;
  }

  #dataHole(): HoleContext {
    const leaf = this.#open.foreignLeaf;
    if (leaf === "script" || leaf === "style")
      throw new CometError("ERR_HTML", `in a <${leaf}> within an <svg> or <math>`);
    if (leaf !== undefined) return "text";
    if (this.#open.isForeign) return "foreign content";
    return this.#open.isSelect ? "select content" : "content";
  }

  #attributeHole(): HoleContext {
    if (this.#tag === "meta" && this.#attribute === "content") {
      this.#contentHole = true;
      this.#checkMeta();
    }
    const context = attributeHole(this.#tag, this.#attribute, this.#value);
    this.#wholeAddress = context === "address";
    return context;
  }

  #elementHole(): HoleContext {
    if (/<[/!a-z-]*$/i.test(this.#tail)) throw new CometError("ERR_HTML", "right after a <");
    if (rcdata.has(this.#element)) return "text";
    if (this.#element !== "script") throw new CometError("ERR_HTML", `in a <${this.#element}>`);
    const context = scriptHole(this.#scriptType ?? "");
    if (this.#script.refusal !== undefined) throw new CometError("ERR_HTML", this.#script.refusal);
    if (moduleAddress.test(this.#tail))
      throw new CometError("ERR_HTML", "in the address of a module, which decides what code runs");
    return context;
  }

  #checkMeta(): void {
    if (this.#hasHttpEquiv && this.#contentHole)
      throw new CometError("ERR_HTML", "in the content of a <meta http-equiv>");
  }

  /** Consumes some text from `at` on. @returns The index of the next character. */
  #step(text: string, at: number): number {
    const character = text[at] as string;
    switch (this.#state) {
      case "data":
        return this.#data(text, at);
      case "comment":
        return this.#comment(text, at);
      case "element text":
        return this.#elementText(text, at);
      case "tag":
        if (character === ">") return this.#tagEnds(at, text[at - 1] === "/");
        if (character !== "/" && !space.test(character)) this.#beginAttribute(character);
        return at + 1;
      case "attribute name":
        if (character === "=") this.#state = "attribute value";
        else if (character === ">") return this.#tagEnds(at);
        else if (character === "/") this.#state = "tag";
        else if (space.test(character)) this.#state = "after attribute name";
        else this.#attribute += lower(character);
        return at + 1;
      case "after attribute name":
        if (character === "=") this.#state = "attribute value";
        else if (character === ">") return this.#tagEnds(at);
        else if (character === "/") this.#state = "tag";
        else if (!space.test(character)) this.#beginAttribute(character);
        return at + 1;
      case "attribute value":
        this.#noteAttribute();
        if (character === '"' || character === "'") this.#state = character;
        else if (character === ">") return this.#tagEnds(at);
        else if (!space.test(character)) {
          this.#state = "unquoted";
          this.#value = character;
        }
        return at + 1;
      case "unquoted":
        if (character === ">") {
          this.#endValue();
          return this.#tagEnds(at);
        }
        if (space.test(character)) this.#endValue();
        else this.#value += character;
        return at + 1;
      default:
        if (character === this.#state) this.#endValue();
        else this.#value += character;
        return at + 1;
    }
  }

  #data(text: string, at: number): number {
    const open = text.indexOf("<", at);
    if (open < 0) return text.length;
    if (text.startsWith("<!--", open)) {
      // `<!-->` and `<!--->` are whole comments already.
      const short = /^<!---?>/.exec(text.slice(open, open + 6));
      if (short !== null) return open + short[0].length;
      this.#state = "comment";
      return open + 4;
    }
    if (this.#open.isForeign && text.startsWith("<![CDATA[", open))
      throw new CometError("ERR_HTML", "after a CDATA section");
    if (/^<[!?]|^<\/[^a-z]/i.test(text.slice(open, open + 3))) {
      // A doctype, or a bogus comment, which ends at the next `>`.
      const close = text.indexOf(">", open);
      if (close < 0) throw new CometError("ERR_HTML", "in a declaration");
      return close + 1;
    }
    const name = tagName.exec(text.slice(open));
    if (name === null) {
      if (/^<\/?$/.test(text.slice(open)))
        throw new CometError("ERR_HTML", "right after a <: write &lt; for the character");
      return open + 1;
    }
    this.#tag = lower(name[1] as string);
    this.#state = "tag";
    this.#scriptType = undefined;
    this.#hasHttpEquiv = false;
    this.#contentHole = false;
    const end = open + name[0].length;
    if (end === text.length) this.#state = "attribute name";
    this.#attribute = "";
    return end;
  }

  #beginAttribute(character: string): void {
    this.#state = "attribute name";
    this.#attribute = lower(character);
    this.#value = "";
  }

  #noteAttribute(): void {
    if (this.#tag === "meta" && this.#attribute === "http-equiv") {
      this.#hasHttpEquiv = true;
      this.#checkMeta();
    }
    this.#value = "";
  }

  #endValue(): void {
    if (this.#tag === "script" && this.#attribute === "type")
      this.#scriptType ??= lower(this.#value.replace(/^[\t\n\f\r ]+|[\t\n\f\r ]+$/g, ""));
    this.#state = "tag";
  }

  #tagEnds(at: number, selfClosing = false): number {
    const tag = this.#tag;
    this.#state = "data";
    if (tag.startsWith("/")) this.#open.end(tag.slice(1));
    else {
      const isText = tag === "script" || rcdata.has(tag) || rawText.has(tag);
      const isForeign = this.#open.isForeign;
      this.#open.start(tag, selfClosing, isText);
      if (isText && !isForeign) {
        this.#state = "element text";
        this.#element = tag;
        this.#script = new ScriptContext();
      }
    }
    return at + 1;
  }

  #elementText(text: string, at: number): number {
    const close = new RegExp(`</${this.#element}(?=[\\t\\n\\f\\r />])`, "i").exec(text.slice(at));
    const end = close === null ? text.length : at + close.index;
    const inner = text.slice(at, end);
    if (this.#element === "script") {
      if (inner.includes("<!--")) throw new CometError("ERR_HTML", "after a <!-- in a script");
      this.#script.read(inner);
    }
    this.#tail = inner.slice(-64);
    if (close === null) return text.length;
    this.#tag = `/${this.#element}`;
    this.#state = "tag";
    return end + close[0].length;
  }

  #comment(text: string, at: number): number {
    const close = /--!?>/.exec(text.slice(at));
    if (close === null) return text.length;
    this.#state = "data";
    return at + close.index + close[0].length;
  }
}
