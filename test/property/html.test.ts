import { runInThisContext } from "node:vm";
import fc from "fast-check";
import { html as parse5, parseFragment, type DefaultTreeAdapterTypes as Tree } from "parse5";
import { expect, test } from "vitest";
import { html, type Html } from "../../src/index.ts";
import { ScriptContext } from "../../src/html/script-context.ts";
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

test("refuses a hole or confines its value in a template of any fixed text", () => {
  const pieces = [
    "<",
    ">",
    "/",
    "=",
    '"',
    "'",
    "`",
    " ",
    "a",
    "p",
    "title",
    "script",
    "style",
    "textarea",
    "<p ",
    "</p>",
    "<script>",
    "</script>",
    "<!--",
    "-->",
    "--!>",
    "<textarea>",
    "</textarea>",
    "<style>",
    "</style>",
    "<svg>",
    "</svg>",
    'title="',
    "onclick='",
    "href=",
    "//",
    "/*",
    "*/",
    "\\",
    "f(",
    ")",
    "\n",
    "<!doctype",
    "<?",
    "<![CDATA[",
    "]]>",
    "<math>",
    "</math>",
    "<foreignObject>",
    "<noscript>",
    "</noscript>",
    "<svg><script>",
    "<svg><style>",
    "</",
    "</>",
  ];
  const text = fc.array(fc.constantFrom(...pieces), { maxLength: 8 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(text, text, (before, after) => {
      // Evil in every context: out of text, attributes of each kind, comments, titles, styles, scripts and their strings.
      const evil = `"'\`--></title></textarea></style></script><evil-element onload=evil()>'";evil();//`;
      const template = Object.assign([before, after], { raw: [before, after] });
      let made: Html;
      try {
        made = html(template, evil);
      } catch (error) {
        expect(error).toMatchObject({ code: "ERR_HTML" });
        return;
      }
      const walk = (nodes: readonly Tree.Node[]): void => {
        for (const node of nodes) {
          expect(node.nodeName).not.toBe("evil-element");
          if ("attrs" in node) expect(node.attrs.map(({ name }) => name)).not.toContain("onload");
          if (node.nodeName === "script" && node.namespaceURI !== parse5.NS.HTML) {
            // An SVG script, which decodes escapes: it must never hold a value.
            expect(allText(node)).not.toContain("evil();");
          } else if (node.nodeName === "script") {
            const code = new ScriptContext();
            const [head] = textIn(node).split("evil();");
            code.read(head ?? "");
            expect(textIn(node).includes("evil();") && code.refusal === undefined).toBe(false);
          }
          if ("childNodes" in node) walk(node.childNodes);
        }
      };
      walk(parse(made));
    }),
    { numRuns: 300_000 },
  );
});
