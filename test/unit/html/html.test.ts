import { describe, expect, test } from "vitest";
import { Html, html, type HtmlValue } from "../../../src/index.ts";
import { dangerousTemplates } from "../../support/dangerous-templates.ts";
import { expectCode } from "../../support/sources.ts";

const hostile = `<img src=x onerror="alert('1')">&amp;`;
const text = "&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt;&amp;amp;";

describe("the html template", () => {
  test("returns Html instead of a string", () => {
    expect(html`<b>hi</b>`).toBeInstanceOf(Html);
    expect(html`<b>hi</b>`.toString()).toBe("<b>hi</b>");
    expect(String(Html.trusted("<i>"))).toBe("<i>");
  });

  test.each<[string, Html, string]>([
    ["between tags", html`<p>${hostile}</p>`, `<p>${text}</p>`],
    ["numbers, bigints and booleans", html`${1}${-0.5}${10n}${true}`, "1-0.510true"],
    ["Html as it is", html`<p>${html`<b>${"<"}</b>`}</p>`, "<p><b>&lt;</b></p>"],
    ["arrays", html`<ul>${["a", html`<li>`, ["<"]]}</ul>`, "<ul>a<li>&lt;</ul>"],
    ["in quotes", html`<p title="${hostile}" class='${hostile}'>`, `<p title="${text}" class='${text}'>`],
    ["in part of an attribute", html`<p title = "a ${1} b ${"'"} c">`, `<p title = "a 1 b &#39; c">`],
    ["in a title", html`<title>${hostile}</title>`, `<title>${text}</title>`],
    ["in a textarea", html`<textarea>${"</textarea>"}</textarea>`, "<textarea>&lt;/textarea&gt;</textarea>"],
    [
      "a string in a script",
      html`<script>f(${"</script>'"})</script>`,
      String.raw`<script>f('\u003c/script>\'')</script>`,
    ],
    [
      "JSON in a script",
      html`<script>f(${{ a: ["<"] }}, ${1})</script>`,
      String.raw`<script>f({"a":["\u003c"]}, 1)</script>`,
    ],
    ["in a module", html`<script type="module">f(${"x"})</script>`, `<script type="module">f('x')</script>`],
    [
      "after strings and comments",
      html`<script>a("'\\""); /* ' */ // "
      f(${"x"})</script>`,
      `<script>a("'\\""); /* ' */ // "\n      f('x')</script>`,
    ],
    [
      "a data block",
      html`<script type="application/json">${{ __proto__x: "'" }}</script>`,
      `<script type="application/json">{"__proto__x":"'"}</script>`,
    ],
    ["a nonce", html`<script nonce="${"abc"}">f()</script>`, `<script nonce="abc">f()</script>`],
    ["a whole address", html`<a href="${"/a?b=1&c"}">`, `<a href="/a?b=1&amp;c">`],
    ["an address after its scheme", html`<a href="https://${"x"}/${"y:z"}">`, `<a href="https://x/y:z">`],
    ["an address after its path", html`<img src='/users/${"javascript:1"}'>`, `<img src='/users/javascript:1'>`],
    [
      "after a doctype and comments",
      html`<!doctype html><!-- a --><!----><!--> ${"<"}`,
      "<!doctype html><!-- a --><!----><!--> &lt;",
    ],
    ["after a comment that ends oddly", html`<!-- a --!>${"<"}`, "<!-- a --!>&lt;"],
    ["after a lone <", html`1 < 2 ${"<"}`, "1 < 2 &lt;"],
    ["after a style", html`<style>p > a { color: red }</style>${"<"}`, "<style>p > a { color: red }</style>&lt;"],
    [
      "in an svg",
      html`<svg viewBox="0 0 1 1"><text x="${1}">${"<"}</text></svg><svg/>`,
      `<svg viewBox="0 0 1 1"><text x="1">&lt;</text></svg><svg/>`,
    ],
    [
      "after a style and a title in an svg",
      html`<svg><style>p{}</style><title>x</title><text>${"<"}</text></svg>`,
      "<svg><style>p{}</style><title>x</title><text>&lt;</text></svg>",
    ],
    [
      "in a title in an svg, and in text of MathML",
      html`<svg><title>${"<"}</title></svg><math><mi>${"&"}</mi></math>`,
      "<svg><title>&lt;</title></svg><math><mi>&amp;</mi></math>",
    ],
    [
      "Html of drawings in an svg",
      html`<svg>${[html`<g><path d="${"M0"}"/></g>`, "<", Html.trusted("<b>")]}</svg>`,
      '<svg><g><path d="M0"/></g>&lt;<b></svg>',
    ],
    [
      "Html of options in a select",
      html`<select>${["a"].map((name) => html`<option value="${name}">${name}`)}</select>`,
      '<select><option value="a">a</select>',
    ],
    [
      "in a table with columns, and after a template",
      html`<table><colgroup><col><col></table><template><style></style><p>${"<"}</template>`,
      "<table><colgroup><col><col></table><template><style></style><p>&lt;</template>",
    ],
    ["in a meta", html`<meta name="x" content="${"<"}">`, `<meta name="x" content="&lt;">`],
  ])("writes values %s", (_, made, expected) => {
    expect(made.toString()).toBe(expected);
  });

  test.each<[string, (v: HtmlValue) => Html]>([
    ["an attribute without quotes", (v) => html`<p title=${v}>`],
    ["an attribute without quotes, in part", (v) => html`<p title=a${v}>`],
    ["the name of a tag", (v) => html`<${v}>`],
    ["the name of a tag, in part", (v) => html`<h${v}>`],
    ["the name of an attribute", (v) => html`<p ${v}>`],
    ["the name of an attribute, in part", (v) => html`<p data-${v}="1">`],
    ["an event handler", (v) => html`<p onclick="f(${v})">`],
    ["an event handler in capitals", (v) => html`<P ONCLICK="f(${v})">`],
    ["a style attribute", (v) => html`<p style="color: ${v}">`],
    ["a style element", (v) => html`<style>p { color: ${v} }</style>`],
    ["srcdoc", (v) => html`<iframe srcdoc="${v}"></iframe>`],
    ["srcset", (v) => html`<img srcset="${v}">`],
    ["the address of a script", (v) => html`<script src="${v}"></script>`],
    ["the type of a script", (v) => html`<script type="${v}"></script>`],
    ["the address of a base", (v) => html`<base href="${v}">`],
    ["the target of a refresh", (v) => html`<meta http-equiv="refresh" content="${v}">`],
    ["the target of a refresh, the other way round", (v) => html`<meta content="${v}" http-equiv="refresh">`],
    ["an animated attribute", (v) => html`<svg><animate attributeName="href" to="${v}"/></svg>`],
    ["a comment", (v) => html`<!-- ${v} -->`],
    ["a JavaScript string", (v) => html`<script>f('${v}')</script>`],
    ["a JavaScript string in double quotes", (v) => html`<script>f("a${v}")</script>`],
    ["a JavaScript template", (v) => html`<script>f(\`${v}\`)</script>`],
    ["a hole of a JavaScript template", (v) => html`<script>f(\`\${${v}}\`)</script>`],
    ["a JavaScript comment", (v) => html`<script>// ${v}</script>`],
    ["a JavaScript block comment", (v) => html`<script>/* ${v} */</script>`],
    ["a regular expression", (v) => html`<script>f(/[/]${v}/)</script>`],
    ["a script after a slash", (v) => html`<script>a / 2; f(${v})</script>`],
    ["a script of an unknown type", (v) => html`<script type="text/template">${v}</script>`],
    ["a script after <!--", (v) => html`<script><!-- f(${v})</script>`],
    ["a script right after a <", (v) => html`<script>a <${v}</script>`],
    ["a script in an svg", (v) => html`<svg><script>f(${v})</script></svg>`],
    [
      "content after a script in an svg that is not closed where it seems",
      (v) => html`<svg><script></</script>${v}</svg>`,
    ],
    ["content after markup in a style in an svg", (v) => html`<svg><style><a></style>${v}</svg>`],
    ["a script in an svg that another end tag seems to close", (v) => html`<svg></math><script>f(${v})</script></svg>`],
    ["content after a CDATA section in an svg", (v) => html`<svg><![CDATA[ > ]]>${v}</svg>`],
    ["a noscript", (v) => html`<noscript>${v}</noscript>`],
    ["an end tag of a title", (v) => html`<title></tit${v}le></title>`],
    ["an address after an unfinished scheme", (v) => html`<a href="java${v}">`],
    ["an address of two values", (v) => html`<a href="${v}${v}">`],
    ["an address that goes on", (v) => html`<a href="${v}/x">`],
    ["an open tag", (v) => html`${v}<p`],
    ["an open attribute", (v) => html`${v}<p title="`],
    ["an open script", (v) => html`${v}<script>`],
    ["an open comment", (v) => html`${v}<!-- `],
    ["an open svg", (v) => html`${v}<svg>`],
    ["a plaintext", (v) => html`${v}<plaintext>`],
    ["an open doctype", (v) => html`${v}<!doctype `],
    ["an import map", (v) => html`<script type="importmap">{"imports":{"m":${v}}}</script>`],
    ["speculation rules", (v) => html`<script type=" SpeculationRules ">${v}</script>`],
    ["a script whose first type is unknown", (v) => html`<script type="text/plain" type="">${v}</script>`],
    ["the language of a script", (v) => html`<script language="${v}"></script>`],
    ["a JSON string", (v) => html`<script type="application/json">["${v}"]</script>`],
    ["a script after -->", (v) => html`<script>\n--> f(${v})</script>`],
    ["a script after a hashbang", (v) => html`<script>#! \n f(${v})</script>`],
    ["the address of an import", (v) => html`<script type="module">import a from ${v}</script>`],
    ["the address of a dynamic import", (v) => html`<script>import( ${v})</script>`],
    ["content after HTML in an svg", (v) => html`<svg><foreignObject></foreignObject>${v}</svg>`],
    ["content after an end tag that is not due in an svg", (v) => html`<svg><g></svg>${v}`],
    ["content after HTML in MathML", (v) => html`<math><mtext><b></b></mtext>${v}</math>`],
    ["a style in an svg", (v) => html`<svg><style>${v}</style></svg>`],
    ["the address of a use", (v) => html`<svg><use href="${v}"/></svg>`],
    ["the target of an animation", (v) => html`<svg><set attributeName="href" href="${v}"/></svg>`],
    ["a style in a select", (v) => html`<select><style>${v}</style></select>`],
    ["content after a script in a select", (v) => html`<select><script></script>${v}</select>`],
    ["an open select", (v) => html`${v}<select>`],
    ["content after a col outside of a colgroup", (v) => html`<template><col>${v}</template>`],
    ["content after a plaintext that seems closed", (v) => html`<plaintext></plaintext>${v}`],
    ["content after a frameset", (v) => html`<frameset>${v}</frameset>`],
    ["an end tag", (v) => html`</${v}>`],
    ["an attribute after a no-break space", (v) => html`<p title=\u00a0"${v}">`],
    ["an end tag after a no-break space", (v) => html`<title></title\u00a0>${v}`],
    ["an object", (v) => html`<object data="${v}"></object>`],
    ["an embed", (v) => html`<embed src="${v}">`],
    ["a link", (v) => html`<link href="${v}">`],
    ["ping", (v) => html`<a ping="${v}">`],
    ["a charset", (v) => html`<meta charset="${v}">`],
    ["a sandbox", (v) => html`<iframe sandbox="${v}"></iframe>`],
  ])("refuses %s", async (_, make) => {
    await expectCode("ERR_HTML", () => make("x"), /^The template is unsafe near .*: it is /);
  });

  test.each(dangerousTemplates)("refuses $name", async ({ parts }) => {
    const template = Object.assign([...parts], { raw: parts });
    await expectCode("ERR_HTML", () => html(template, "x"), /^The template is unsafe near /);
  });

  test.each<[string, () => Html, string]>([
    ["undefined", () => html`${undefined as never}`, "undefined between tags"],
    ["null", () => html`${null}`, "null between tags"],
    ["an object", () => html`${{ a: 1 }}`, "type Object between tags"],
    ["a date", () => html`${new Date(0) as never}`, "type Date between tags"],
    ["Html in an attribute", () => html`<p title="${html`<b>`}">`, "type Html in an attribute"],
    ["an array in an attribute", () => html`<p title="${["a"]}">`, "type Array in an attribute"],
    ["Html in a title", () => html`<title>${html`<b>`}</title>`, "type Html in an attribute or text element"],
    [
      "Html with a style in a select",
      () => html`<select>${html`<b>${html`<style></style>`}</b>`}</select>`,
      "A <select> cannot contain",
    ],
    ["Html with a select in a select", () => html`<select>${html`</select>`}</select>`, "A <select> cannot contain"],
    ["HTML in an svg", () => html`<svg>${html`<p>`}</svg>`, "An <svg> or <math> can contain"],
    ["Html with a title in an svg", () => html`<svg>${html`<title>x</title>`}</svg>`, "An <svg> or <math> can contain"],
    ["Html with an open element in an svg", () => html`<svg>${html`<g>`}</svg>`, "An <svg> or <math> can contain"],
    ["Html with another end tag in an svg", () => html`<svg>${html`</g>`}</svg>`, "An <svg> or <math> can contain"],
    ["javascript:", () => html`<a href="${"javascript:alert(1)"}">`, "A URL in a template"],
    ["javascript: in disguise", () => html`<a href="${" JaVa\tscript\n:alert(1)"}">`, "A URL in a template"],
    ["data:", () => html`<iframe src="${"data:text/html,x"}"></iframe>`, "A URL in a template"],
  ])("refuses %s as a value", async (_, make, message) => {
    await expectCode("ERR_HTML", make, new RegExp(message));
  });

  test("refuses a value in a script if it is neither a string nor JSON", async () => {
    await expectCode("ERR_ENCODER", () => html`<script>f(${new Date(0) as never})</script>`);
    await expectCode("ERR_ENCODER", () => html`<script>f(${html`<b>`})</script>`);
  });

  test("accepts only a string as trusted markup", async () => {
    await expectCode("ERR_HTML", () => Html.trusted(5 as never), /takes a string/);
  });
});
