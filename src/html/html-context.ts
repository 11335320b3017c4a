import { ScriptContext } from "./script-context.ts";

/** The context of a hole in a template: it decides how a value is written. */
export type HoleContext =
  /** Between tags: text is escaped, `Html` is unchanged. */
  | "content"
  /** Text only: in a `<title>`, a `<textarea>` or a quoted attribute. */
  | "text"
  /** The whole value of an attribute that is an address. */
  | "address"
  /** A JavaScript literal. */
  | "script"
  /** A JSON value in a data block such as `<script type="application/json">`. */
  | "json";

/** Thrown for a template that cannot be made safe. Its message completes "a value, or its end, is ...". */
export class HtmlRefusal extends Error {}

const rcdata = new Set(["title", "textarea"]);
const rawText = new Set(["style", "xmp", "iframe", "noembed", "noframes", "noscript", "plaintext"]);
const foreignRoots = new Set(["svg", "math"]);
const javascriptTypes = new Set(["", "module", "text/javascript", "application/javascript"]);
const jsonTypes = new Set(["application/json", "application/ld+json", "importmap", "speculationrules"]);
const addresses = new Set(
  "action background cite data formaction href longdesc manifest ping poster src xlink:href".split(" "),
);
/** Attributes whose value is code, markup or a list of addresses. */
const codeAttributes = new Set("style srcdoc srcset imagesrcset http-equiv attributename from to by values".split(" "));
/** Elements for which an address is code. */
const codeByAddress = new Set(["base", "embed", "link", "object", "script"]);
/** The start of an address that fixes its scheme. */
const settledAddress = /^(?:https?:|mailto:|tel:|[^:&]*[/?#])/i;

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
 * It knows less than a browser, and rejects everything that it does not know: keep it so. test/property/html.test.ts
 * compares it with a parser.
 */
export class HtmlContext {
  #state: State = "data";
  /** The current tag, in lower case; with a slash for an end tag. */
  #tag = "";
  #attribute = "";
  #value = "";
  #scriptType = "";
  #hasHttpEquiv = false;
  #contentHole = false;
  /** The element of the current text: a script, a title, a style ... */
  #element = "";
  #script = new ScriptContext();
  /** The last characters of that text: an open `<` and a value could together become a tag. */
  #tail = "";
  /** The open <svg> and <math> elements: other rules apply within them. */
  readonly #foreign: string[] = [];
  #wholeAddress = false;

  /** Reads the next fixed part. @throws {HtmlRefusal} */
  read(text: string): void {
    if (this.#wholeAddress && text[0] !== this.#state) {
      throw new HtmlRefusal("at the beginning of an address that goes on: build the whole address first");
    }
    this.#wholeAddress = false;
    let at = 0;
    while (at < text.length) at = this.#step(text, at);
  }

  /** Returns the context of a hole at this point. @throws {HtmlRefusal} if no value is safe here. */
  hole(): HoleContext {
    switch (this.#state) {
      case "data":
        return "content";
      case '"':
      case "'":
        return this.#attributeHole();
      case "element text":
        return this.#elementHole();
      case "attribute value":
      case "unquoted":
        throw new HtmlRefusal("in an attribute without quotes: put the value in quotes");
      case "comment":
        throw new HtmlRefusal("in a comment");
      default:
        throw new HtmlRefusal("inside a tag: only text, quoted attributes and scripts take values");
    }
  }

  /** Checks that the template ends where it began: between tags. @throws {HtmlRefusal} */
  end(): void {
    if (this.#state === "element text")
      throw new HtmlRefusal(`at the end of the template, in an open <${this.#element}>`);
    if (this.#state !== "data") throw new HtmlRefusal("at the end of the template, inside a tag or a comment");
    if (this.#foreign.length > 0) throw new HtmlRefusal("at the end of the template, inside an open <svg> or <math>");
  }

  #attributeHole(): HoleContext {
    const name = this.#attribute;
    const tag = this.#tag;
    if (name.startsWith("on") || codeAttributes.has(name))
      throw new HtmlRefusal(`in the attribute ${name}, which is code or markup`);
    if (tag === "script" && name === "type") throw new HtmlRefusal("in the type of a script");
    if (tag === "meta" && name === "content") {
      this.#contentHole = true;
      this.#checkMeta();
    }
    if (!addresses.has(name)) return "text";
    if (codeByAddress.has(tag)) throw new HtmlRefusal(`in the ${name} of a <${tag}>, which decides what code runs`);
    if (settledAddress.test(this.#value)) return "text";
    if (this.#value !== "")
      throw new HtmlRefusal(`in the ${name} after ${JSON.stringify(this.#value)}, where it could change the scheme`);
    this.#wholeAddress = true;
    return "address";
  }

  #elementHole(): HoleContext {
    if (this.#foreign.length > 0) throw new HtmlRefusal(`in a <${this.#element}> within an <svg> or <math>`);
    if (/<[/!a-z-]*$/i.test(this.#tail)) throw new HtmlRefusal("right after a <");
    if (rcdata.has(this.#element)) return "text";
    if (this.#element !== "script") throw new HtmlRefusal(`in a <${this.#element}>`);
    if (jsonTypes.has(this.#scriptType)) return "json";
    if (!javascriptTypes.has(this.#scriptType)) throw new HtmlRefusal(`in a script of type ${this.#scriptType}`);
    if (this.#script.refusal !== undefined) throw new HtmlRefusal(this.#script.refusal);
    return "script";
  }

  #checkMeta(): void {
    if (this.#hasHttpEquiv && this.#contentHole) throw new HtmlRefusal("in the content of a <meta http-equiv>");
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
        if (!/[\s/]/.test(character)) this.#beginAttribute(character);
        return at + 1;
      case "attribute name":
        if (character === "=") this.#state = "attribute value";
        else if (character === ">") return this.#tagEnds(at);
        else if (character === "/") this.#state = "tag";
        else if (/\s/.test(character)) this.#state = "after attribute name";
        else this.#attribute += character.toLowerCase();
        return at + 1;
      case "after attribute name":
        if (character === "=") this.#state = "attribute value";
        else if (character === ">") return this.#tagEnds(at);
        else if (character === "/") this.#state = "tag";
        else if (!/\s/.test(character)) this.#beginAttribute(character);
        return at + 1;
      case "attribute value":
        this.#noteAttribute();
        if (character === '"' || character === "'") this.#state = character;
        else if (character === ">") return this.#tagEnds(at);
        else if (!/\s/.test(character)) {
          this.#state = "unquoted";
          this.#value = character;
        }
        return at + 1;
      case "unquoted":
        if (character === ">") {
          this.#endValue();
          return this.#tagEnds(at);
        }
        if (/\s/.test(character)) this.#endValue();
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
    if (this.#foreign.length > 0 && text.startsWith("<![CDATA[", open)) throw new HtmlRefusal("after a CDATA section");
    if (/^<[!?]|^<\/[^a-z]/i.test(text.slice(open, open + 3))) {
      // A doctype, or a bogus comment, which ends at the next `>`.
      const close = text.indexOf(">", open);
      if (close < 0) throw new HtmlRefusal("in a declaration");
      return close + 1;
    }
    const name = /^<(\/?[a-z][^\s/>]*)/i.exec(text.slice(open));
    if (name === null) {
      if (open + 1 === text.length) throw new HtmlRefusal("right after a <: write &lt; for the character");
      return open + 1;
    }
    this.#tag = (name[1] as string).toLowerCase();
    this.#state = "tag";
    this.#scriptType = "";
    this.#hasHttpEquiv = false;
    this.#contentHole = false;
    const end = open + name[0].length;
    if (end === text.length) this.#state = "attribute name";
    this.#attribute = "";
    return end;
  }

  #beginAttribute(character: string): void {
    this.#state = "attribute name";
    this.#attribute = character.toLowerCase();
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
    if (this.#tag === "script" && this.#attribute === "type") this.#scriptType = this.#value.trim().toLowerCase();
    this.#state = "tag";
  }

  #tagEnds(at: number, selfClosing = false): number {
    const tag = this.#tag;
    this.#state = "data";
    if (foreignRoots.has(tag)) {
      if (!selfClosing) this.#foreign.push(tag);
    } else if (tag.startsWith("/") && foreignRoots.has(tag.slice(1))) {
      // It closes all elements within it; without its start tag it closes none.
      const opened = this.#foreign.lastIndexOf(tag.slice(1));
      if (opened >= 0) this.#foreign.length = opened;
    } else if (tag === "script" || rcdata.has(tag) || rawText.has(tag)) {
      this.#state = "element text";
      this.#element = tag;
      this.#script = new ScriptContext();
    }
    return at + 1;
  }

  #elementText(text: string, at: number): number {
    const close = new RegExp(`</${this.#element}(?=[\\s/>])`, "i").exec(text.slice(at));
    const end = close === null ? text.length : at + close.index;
    const inner = text.slice(at, end);
    // In SVG and MathML the text of these elements is markup, with another end.
    if (this.#foreign.length > 0 && inner.includes("<")) {
      throw new HtmlRefusal(`after a < in a <${this.#element}> within an <svg> or <math>`);
    }
    if (this.#element === "script") {
      if (inner.includes("<!--")) throw new HtmlRefusal("after a <!-- in a script");
      this.#script.read(inner);
    }
    this.#tail = inner.slice(-16);
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
