/**
 * Templates of one hole, before and after it, and a value that runs `evil()` in a browser if only `<`, `>`, `&` and
 * quotes are escaped in it, or if it is written as a literal. The `html` template must refuse each of them.
 */
export interface DangerousTemplate {
  readonly name: string;
  readonly parts: readonly [before: string, after: string];
  /** What a template that does not know the danger would write. */
  readonly written: string;
}

const module = "data:text/javascript,parent.evil()";

export const dangerousTemplates: readonly DangerousTemplate[] = [
  {
    name: "an import map",
    parts: ['<script type="importmap">{"imports":{"m":', '}}</script><script type="module">import "m"</script>'],
    written: JSON.stringify(module),
  },
  {
    name: "a string after a line that begins with -->",
    parts: ["<script>\n--> '\n' ; f('", "') '</script>"],
    written: "+evil()+",
  },
  {
    name: "a string after a line that begins with a comment and -->",
    parts: ["<script>/*\n*/ --> '\n' ; f('", "') '</script>"],
    written: "+evil()+",
  },
  { name: "a string after a hashbang", parts: ["<script>#! '\n' ; f('", "') '</script>"], written: "+evil()+" },
  {
    name: "a script in a title of an svg that seems closed",
    parts: ["<svg><foreignObject><div></svg></div></foreignObject><title><script>", "</script></title></svg>"],
    written: "evil()",
  },
  {
    name: "a script in a title of an svg that a desc keeps open",
    parts: ["<svg><desc><div></svg></div></desc><title><script>", "</script></title></svg>"],
    written: "evil()",
  },
  {
    name: "a script in a style of MathML that seems closed",
    parts: ["<math><mtext><div></math></div></mtext><mi><svg><title><script>", "</script></title></svg></mi></math>"],
    written: "evil()",
  },
  {
    name: "a script after a style in a template that begins with a col",
    parts: ["<template><col><style></template><script>/*</style>", "</script>"],
    written: "*/evil()//",
  },
  {
    name: "an attribute after a space that HTML does not know",
    parts: ['<img src="data:," title=\u00a0"', '">'],
    written: " onerror=evil() ",
  },
  {
    name: "the module of an import",
    parts: ['<script type="module">import ', "</script>"],
    written: JSON.stringify(module),
  },
  {
    name: "the module of a dynamic import",
    parts: ["<script>import(", ")</script>"],
    written: JSON.stringify(module),
  },
];
