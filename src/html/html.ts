import { CometError, describe } from "../core/errors.ts";
import { HtmlContext, type HoleContext } from "./html-context.ts";
import type { JsonValue } from "../wire/json.ts";
import { jsonLiteral, messageLiteral } from "../wire/literal.ts";

/** The places with rules of their own in which a piece of HTML means the same as elsewhere. */
interface Places {
  readonly select: boolean;
  readonly foreign: boolean;
}

let htmlOf: (markup: string, places: Places) => Html;
let placesOf: (html: Html) => Places;

/**
 * A piece of HTML that is safe to send. The {@link html} template makes it, which escapes its values, or
 * {@link Html.trusted}. A string is never treated as HTML: do not add a conversion.
 */
export class Html {
  static {
    htmlOf = (markup, places) => new Html(markup, places);
    placesOf = (value) => value.#places;
  }

  readonly #markup: string;
  readonly #places: Places;

  private constructor(markup: string, places: Places) {
    this.#markup = markup;
    this.#places = places;
  }

  /**
   * Declares a string to be HTML. It is sent unescaped: never pass input of a user.
   *
   * @throws {CometError} `ERR_HTML` if it is not a string.
   */
  static trusted(markup: string): Html {
    if (typeof markup === "string") return new Html(markup, { select: true, foreign: true });
    throw new CometError("ERR_HTML", `Html.trusted takes a string, not ${describe(markup)}.`);
  }

  /** Returns the markup. */
  toString(): string {
    return this.#markup;
  }
}

/** A value for a hole of an {@link html} template. Each context accepts some of these types. */
export type HtmlValue = Html | JsonValue | bigint | readonly HtmlValue[];

/**
 * Makes {@link Html} from a template, and escapes each value for its context, or rejects it:
 *
 * - between tags: strings, numbers, bigints and booleans as text, `Html` unchanged, arrays of these one after another.
 *   In a `<select>`, `Html` must have no scripts, styles and the like; in an `<svg>` or `<math>`, only their elements;
 * - in a quoted attribute, `<title>` or `<textarea>`: strings, numbers, bigints and booleans as text. In an attribute
 *   that holds an address (`href`, `src` ...) only with the scheme http, https, mailto or tel, or none;
 * - in a `<script>`: strings and JSON as JavaScript literals, with their quotes: ``
 *   html`<script>show(${name})</script>` ``;
 * - in a `<script type="application/json">`: strings and JSON as JSON.
 *
 * It rejects values everywhere else: in attributes without quotes, names of tags and attributes, event handlers,
 * styles, comments, import maps and other scripts that the browser acts on, and the inside of strings of a script. It
 * rejects templates that cannot be read without a whole parser, as HTML within an `<svg>`. A template must end where it
 * began, between tags.
 *
 * @throws {CometError} `ERR_HTML` for a hole where no value is safe, and for a value that its context does not accept;
 *   `ERR_ENCODER` for a value in a script that is neither a string nor JSON.
 * @example
 * html`<p title="${title}">${text}</p>`;
 */
export function html(template: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  const { holes, places } = analysed(template);
  let { select, foreign } = places;
  let markup = template[0] as string;
  const note = (part: Html): void => {
    select &&= placesOf(part).select;
    foreign &&= placesOf(part).foreign;
  };
  for (let i = 0; i < holes.length; i += 1) {
    markup += write(values[i], holes[i] as HoleContext, note) + (template[i + 1] as string);
  }
  return htmlOf(markup, { select, foreign });
}

interface Analysis {
  readonly holes: readonly HoleContext[];
  readonly places: Places;
}

/** The analysis of each template. A template literal passes the same array each time, so each is analysed once. */
const known = new WeakMap<TemplateStringsArray, Analysis>();

function analysed(template: TemplateStringsArray): Analysis {
  const before = known.get(template);
  if (before !== undefined) return before;
  const context = new HtmlContext();
  const holes: HoleContext[] = [];
  try {
    template.forEach((text, i) => {
      context.read(text);
      if (i < template.length - 1) holes.push(context.hole());
    });
    context.end();
  } catch (error) {
    if (!(error instanceof CometError)) throw error;
    const place = JSON.stringify((template[holes.length] as string).slice(-40));
    throw new CometError("ERR_HTML", `The template is unsafe near ${place}: it is ${error.message}.`);
  }
  const { isSimple, fitsForeign } = context.elements;
  const analysis = { holes, places: { select: isSimple, foreign: fitsForeign } };
  known.set(template, analysis);
  return analysis;
}

/** Writes a value, and passes each `Html` in it to `note`. */
function write(value: unknown, context: HoleContext, note: (part: Html) => void): string {
  switch (context) {
    case "content":
    case "select content":
    case "foreign content":
      if (Array.isArray(value)) return value.map((item) => write(item, context, note)).join("");
      if (!(value instanceof Html)) return escapeText(textOf(value, context));
      checkPlace(value, context);
      note(value);
      return value.toString();
    case "text":
      return escapeText(textOf(value, context));
    case "address":
      return escapeText(checkAddress(textOf(value, context)));
    case "script":
      return messageLiteral(value);
    case "json":
      return jsonLiteral(value, "json");
  }
}

function textOf(value: unknown, context: HoleContext): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return String(value);
  const where = context.endsWith("content") ? "between tags" : "in an attribute or text element";
  throw new CometError(
    "ERR_HTML",
    `A template cannot contain ${value === undefined ? "undefined" : describe(value)} ${where}.`,
  );
}

/** @throws {CometError} `ERR_HTML` for `Html` that means something else where it is to stand. */
function checkPlace(value: Html, context: HoleContext): void {
  const { select, foreign } = placesOf(value);
  if (context === "select content" && !select)
    throw new CometError("ERR_HTML", "A <select> cannot contain Html with scripts, styles, templates or drawings.");
  if (context === "foreign content" && !foreign)
    throw new CometError("ERR_HTML", "An <svg> or <math> can contain only Html of its own elements, each closed.");
}

function checkAddress(address: string): string {
  // Browsers remove these characters before they parse the scheme (URL, 4.4, basic URL parser).
  const bare = address.replace(/[\u0000-\u0020]/g, "");
  if (/^(?:https?:|mailto:|tel:|[^:]*(?:[/?#]|$))/i.test(bare)) return address;
  throw new CometError(
    "ERR_HTML",
    `A URL in a template must be http, https, mailto, tel or relative, not ${describe(address)}.`,
  );
}

const references: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => references[character] as string);
}
