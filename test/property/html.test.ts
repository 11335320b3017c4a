import { createContext, runInThisContext, Script } from "node:vm";
import fc from "fast-check";
import { html as parse5, parse as parseDocument, parseFragment, type DefaultTreeAdapterTypes as Tree } from "parse5";
import { expect, test } from "vitest";
import { html, type Html, type HtmlValue } from "../../src/index.ts";
import { hostileJson, hostileString } from "../support/hostile.ts";

const runs = { numRuns: 10_000 };

const parse = (made: Html): Tree.Node[] => parseFragment(Buffer.from(made.toString()).toString()).childNodes;
const only = (made: Html): Tree.Element => {
  const nodes = parse(made);
  expect(nodes).toHaveLength(1);
  return nodes[0] as Tree.Element;
};
const textIn = (element: Tree.Element): string => {
  expect(element.childNodes.every((child) => child.nodeName === "#text")).toBe(true);
  return element.childNodes.map((child) => (child as Tree.TextNode).value).join("");
};
/** Characters that no escape carries through UTF-8 and an HTML parser: lone surrogates, NUL, and the kind of line end. */
const carried = (text: string): string => text.toWellFormed().replace(/\r\n?/g, "\n");
const withoutNul = (text: string): string => text.replaceAll("\0", "").replaceAll("\ufffd", "");

const allText = (node: Tree.Node): string =>
  "value" in node ? node.value : "childNodes" in node ? node.childNodes.map(allText).join("") : "";

test("keeps text as text", () => {
  fc.assert(
    fc.property(hostileString, (text) => {
      expect(withoutNul(textIn(only(html`<p>a${text}</p>`)))).toBe(withoutNul(`a${carried(text)}`));
      expect(withoutNul(textIn(only(html`<title>a${text}</title>`)))).toBe(withoutNul(`a${carried(text)}`));
    }),
    runs,
  );
});

test("keeps attributes as attributes", () => {
  fc.assert(
    fc.property(hostileString, (text) => {
      for (const made of [html`<p title="${text}"></p>`, html`<p title='${text}'></p>`]) {
        const { attrs, childNodes } = only(made);
        expect(childNodes).toEqual([]);
        expect(attrs.map(({ name }) => name)).toEqual(["title"]);
        expect(withoutNul(attrs[0]?.value ?? "")).toBe(withoutNul(carried(text)));
      }
    }),
    runs,
  );
});

test("never turns a URL into a script", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        hostileString,
        hostileString.map((s) => `javascript:${s}`),
      ),
      (text) => {
        let made: Html;
        try {
          made = html`<a href="${text}"></a>`;
        } catch {
          return;
        }
        const url = URL.parse(only(made).attrs[0]?.value ?? "", "http://x/");
        if (url !== null) expect(["http:", "https:", "mailto:", "tel:"]).toContain(url.protocol);
      },
    ),
    runs,
  );
});

test("preserves values in scripts and data blocks", () => {
  fc.assert(
    fc.property(hostileJson, (value) => {
      const script = textIn(only(html`<script>(${[value]})</script>`));
      expect(Object.is(JSON.stringify(runInThisContext(script)), JSON.stringify([value]))).toBe(true);
      const data = textIn(only(html`<script type="application/json">${[value]}</script>`));
      expect(JSON.stringify(JSON.parse(data))).toBe(JSON.stringify([value]));
    }),
    runs,
  );
});

/** The text of a template of random pieces, which are what decides how a browser reads a document. */
const pieces = (
  "< > / = ' a p f( ) // /* */ \\ </ </> --> --!> <!-- <? <!doctype <![CDATA[ ]]> #! import " +
  "title script style textarea <p </p> <b> </b> <div> </div> <script> </script> <style> </style> <title> </title> " +
  "<textarea> </textarea> <svg> </svg> <math> </math> <g> </g> <mi> </mi> <mtext> </mtext> <desc> </desc> " +
  "<annotation-xml> </annotation-xml> <foreignObject> </foreignObject> <select> </select> <option> </option> " +
  "<template> </template> <table> </table> <colgroup> <col> <tr> <td> <noscript> </noscript> <plaintext> </plaintext> " +
  "<frameset> <iframe> </iframe> <xmp> </xmp> <script/> <g/> <svg/> href= onclick='"
)
  .split(" ")
  .concat("<script ", "<p ", 'title="', '"', "`", " ", "\n", "\u00a0", 'type="', 'type="importmap"', 'type="module"');
const text = fc.array(fc.constantFrom(...pieces), { maxLength: 8 }).map((parts) => parts.join(""));
const evils = [
  // Out of text, attributes of each kind, comments, titles, styles, scripts and their strings.
  `"'\`--></title></textarea></style></script><evil-element onload=evil()>'";evil();//`,
  // The same without a character that is escaped.
  "*/evil();//",
  "\nevil();",
  " onload=evil() ",
];

const world = createContext({ evil: () => (hasRun = true), f: () => 0, a: 0, p: 0 });
let hasRun = false;

/** Runs a script as a page would, and returns whether it called `evil`. */
function runsEvil(code: string): boolean {
  hasRun = false;
  try {
    new Script(code).runInContext(world);
  } catch {
    // Most random scripts are none.
  }
  return hasRun;
}

/** Checks that a value of `evils` does nothing in a document. */
function expectHarmless(nodes: readonly Tree.Node[]): void {
  for (const node of nodes) {
    expect(node.nodeName).not.toBe("evil-element");
    if ("attrs" in node) {
      expect(node.attrs.map(({ name }) => name)).not.toContain("onload");
      if (node.tagName === "script" && allText(node).includes("evil()")) {
        // The text of a script in SVG is markup: it must never hold a value.
        expect(node.namespaceURI).toBe(parse5.NS.HTML);
        expect(node.attrs.find(({ name }) => name === "type")?.value ?? "").not.toMatch(/importmap/i);
        expect(runsEvil(allText(node))).toBe(false);
      }
    }
    if ("content" in node) expectHarmless(node.content.childNodes);
    if ("childNodes" in node) expectHarmless(node.childNodes);
  }
}

/** The markup of a template whose parts are these; `undefined` if it is refused. */
function made(parts: readonly string[], ...values: HtmlValue[]): Html | undefined {
  try {
    return html(Object.assign([...parts], { raw: parts }), ...values);
  } catch (error) {
    expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_(?:HTML|ENCODER)$/) as string });
    return undefined;
  }
}

test("refuses a hole or confines its value in a template of any fixed text", () => {
  fc.assert(
    fc.property(text, text, fc.constantFrom(...evils), (before, after, evil) => {
      const document = made([before, after], evil);
      if (document !== undefined) expectHarmless(parseDocument(document.toString()).childNodes);
    }),
    { numRuns: 40_000 },
  );
});

test("refuses a template in a template or confines its value", () => {
  fc.assert(
    fc.property(text, text, text, text, fc.constantFrom(...evils), (before, left, right, after, evil) => {
      const inner = made([left, right], evil);
      const document = inner && made([before, after], inner);
      if (document !== undefined) expectHarmless(parseDocument(document.toString()).childNodes);
    }),
    { numRuns: 40_000 },
  );
});
