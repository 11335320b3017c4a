import { CometError } from "../core/errors.ts";

/**
 * Elements of SVG and MathML that neither end the foreign content (HTML, 13.2.6.5) nor contain HTML in it. No element
 * may be added that does one of these.
 */
const foreignElements = new Set(
  (
    "svg g defs symbol use path rect circle ellipse line polyline polygon text tspan textpath lineargradient " +
    "radialgradient stop clippath mask pattern marker image a switch view filter animate animatemotion " +
    "animatetransform mpath set metadata feblend fecolormatrix fecomponenttransfer fecomposite feconvolvematrix " +
    "fediffuselighting fedisplacementmap fedistantlight fedropshadow feflood fefunca fefuncb fefuncg fefuncr " +
    "fegaussianblur feimage femerge femergenode femorphology feoffset fepointlight fespecularlighting fespotlight " +
    "fetile feturbulence math mrow mfrac msqrt mroot mstyle msub msup msubsup munder mover munderover mtable mtr mtd " +
    "mlabeledtr mspace mpadded mphantom merror menclose mmultiscripts mprescripts none semantics annotation"
  ).split(" "),
);
/** Elements in which a browser reads HTML (integration points), or code. Only text is accepted in them. */
const foreignLeaves = new Set("title desc script style mi mo mn ms mtext".split(" "));
const foreignRoots = new Set(["svg", "math"]);
/** Elements that change how a browser reads what follows, so that the template cannot be read without a parser. */
const unreadable = new Set(["plaintext", "frameset", "frame"]);

/** The open elements within which other rules apply: <svg>, <math> and <select>. */
export class OpenElements {
  /** The open elements from the outermost <svg> or <math> on. */
  readonly #foreign: string[] = [];
  /** The open elements of foreign content without a root: a template that is a part of a drawing. */
  readonly #partial: string[] = [];
  #isSelect = false;
  /** The tag before. */
  #before = "";
  #isSimple = true;
  #fitsForeign = true;

  /** Whether SVG or MathML is open, in which raw text and CDATA have other rules. */
  get isForeign(): boolean {
    return this.#foreign.length > 0;
  }

  get isSelect(): boolean {
    return this.#isSelect;
  }

  /** The element of SVG or MathML that takes text only, if one is open. */
  get foreignLeaf(): string | undefined {
    const top = this.#foreign.at(-1);
    return top !== undefined && foreignLeaves.has(top) ? top : undefined;
  }

  /** Whether the template can stand in a <select>: it has no element that changes how a browser reads text. */
  get isSimple(): boolean {
    return this.#isSimple;
  }

  /** Whether the template can stand in an <svg> or <math>: it has elements of these only, and closes each. */
  get fitsForeign(): boolean {
    return this.#fitsForeign && this.#isSimple && this.#partial.length === 0;
  }

  /**
   * Opens an element.
   *
   * @param isText Whether its content is text, outside of SVG and MathML.
   * @throws {CometError} `ERR_HTML` if what follows cannot be read without a parser.
   */
  start(tag: string, selfClosing: boolean, isText: boolean): void {
    const before = this.#before;
    this.#before = tag;
    if (this.isForeign) {
      this.#startForeign(tag, selfClosing);
      return;
    }
    const isRoot = foreignRoots.has(tag);
    if (unreadable.has(tag)) throw new CometError("ERR_HTML", `after a <${tag}>`);
    // Elsewhere, as first in a <template>, it makes browsers ignore the tags that follow.
    if (tag === "col" && before !== "col" && before !== "colgroup")
      throw new CometError("ERR_HTML", "after a <col> that does not follow a <colgroup> or <col>");
    if (isRoot || isText || tag === "select" || tag === "template") {
      // Browsers ignore some of these tags in a <select>, and read their content as markup.
      if (this.#isSelect) throw new CometError("ERR_HTML", `after a <${tag}> in a <select>`);
      this.#isSimple = false;
    }
    if (isRoot && !selfClosing) this.#foreign.push(tag);
    if (tag === "select") this.#isSelect = true;
    if (!foreignElements.has(tag)) this.#fitsForeign = false;
    else if (!selfClosing) this.#partial.push(tag);
  }

  /** Closes an element. @throws {CometError} */
  end(tag: string): void {
    this.#before = `/${tag}`;
    if (this.isForeign) {
      const open = this.#foreign.pop();
      if (open !== tag)
        throw new CometError("ERR_HTML", `after a </${tag}> where </${open}> is due, within an <svg> or <math>`);
      return;
    }
    if (tag === "select") this.#isSelect = false;
    if (tag === "select" || tag === "template" || foreignRoots.has(tag)) this.#isSimple = false;
    if (this.#partial.pop() !== tag) this.#fitsForeign = false;
  }

  /** Checks that nothing with other rules is open at the end of the template. @throws {CometError} */
  finish(): void {
    const open = this.isForeign ? "<svg> or <math>" : "<select>";
    if (this.isForeign || this.#isSelect)
      throw new CometError("ERR_HTML", `at the end of the template, inside an open ${open}`);
  }

  #startForeign(tag: string, selfClosing: boolean): void {
    const leaf = this.foreignLeaf;
    if (leaf !== undefined) throw new CometError("ERR_HTML", `after a < in a <${leaf}> within an <svg> or <math>`);
    if (!foreignElements.has(tag) && !foreignLeaves.has(tag))
      throw new CometError("ERR_HTML", `after a <${tag}> within an <svg> or <math>`);
    if (!selfClosing) this.#foreign.push(tag);
  }
}
