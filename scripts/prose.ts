/**
 * Finds sentences and words that the rules of English in CONTRIBUTING.md exclude, in the comments of `src/` and in the documents: `npm run prose`.
 * It prints each with its file and line, and fails above {@link ceilings}.
 */
import { globSync, readFileSync } from "node:fs";
import { join, resolve, sep } from "node:path";
import ts from "typescript";

/** `opening`: a sentence without a subject, since it begins with a word such as "What". `word`: one for which the field has a better word. */
export type Rule = "opening" | "word";

/** A sentence or word that breaks a rule. */
export interface Finding {
  readonly file: string;
  readonly line: number;
  readonly rule: Rule;
  /** The word, as it stands in the text. */
  readonly word: string;
}

/** The number of findings that a part of the repository may have. */
export interface Ceiling {
  readonly part: string;
  readonly files: RegExp;
  readonly rule: Rule | "any";
  readonly most: number;
}

/** A document not yet rewritten keeps its current number of findings as its ceiling, until it is rewritten. */
const untilRewritten = (document: string, most: number): Ceiling => ({
  part: document,
  files: new RegExp(`^${document.replaceAll(".", "\\.")}$`),
  rule: "any",
  most,
});

/** The ceilings. The first part that has a file and its rule counts. A document that no other part has may have no finding. */
export const ceilings: readonly Ceiling[] = [
  { part: "src", files: /^src\//, rule: "opening", most: 25 },
  { part: "src", files: /^src\//, rule: "word", most: 40 },
  untilRewritten("README.md", 5),
  untilRewritten("CHANGELOG.md", 2),
  untilRewritten("CONTRIBUTING.md", 2),
  untilRewritten("docs/architecture.md", 5),
  untilRewritten("docs/brokers.md", 3),
  untilRewritten("docs/client.md", 1),
  untilRewritten("docs/comet.md", 4),
  untilRewritten("docs/getting-started.md", 1),
  untilRewritten("docs/migrating.md", 1),
  { part: "documents", files: /^/, rule: "any", most: 0 },
];

/** Begins a sentence that has no subject, unless it is a question. */
const OPENING = /(?:^|[.!?][)\]"'*_]*\s)\s*[(["'*_]*(?<word>Whoever|Who|Those|That|What|For|So many|How)\b/g;

const WORD = /\b(?:told|tell|tells|telling|comes?\s+back|let\s+go|nobody|whoever)\b/gi;

/** A paragraph, a heading, an item of a list or the cell of a table. */
interface Piece {
  readonly text: string;
  readonly lineAt: (index: number) => number;
}

/** The findings in one file, by line. */
export function findingsIn(file: string, text: string): Finding[] {
  const { pieces, code } = file.endsWith(".md") ? { pieces: piecesOf(text), code: [] } : sourceParts(text);
  const found = (rule: Rule, word: string, line: number): Finding => ({
    file,
    line,
    rule,
    word: word.replace(/\s+/g, " "),
  });
  const openings = pieces.flatMap((piece) =>
    [...piece.text.matchAll(OPENING)].flatMap(({ 0: match, index, groups }) => {
      const end = index + match.length;
      return isQuestion(piece.text, end) ? [] : [found("opening", groups?.["word"] ?? "", piece.lineAt(end - 1))];
    }),
  );
  const words = [...pieces, ...code].flatMap((piece) =>
    [...piece.text.matchAll(WORD)].map(({ 0: word, index }) => found("word", word, piece.lineAt(index))),
  );
  return [...openings, ...words].sort((a, b) => a.line - b.line);
}

const isQuestion = (text: string, at: number): boolean => /^[^.!?]*\?/.test(text.slice(at));

/** The prose of a Markdown text, without code and without addresses of links. */
function piecesOf(markdown: string, firstLine = 1): Piece[] {
  const pieces: Piece[] = [];
  let lines: { readonly text: string; readonly number: number }[] = [];
  const finish = (): void => {
    if (lines.length > 0) pieces.push(pieceOf(lines));
    lines = [];
  };
  let inFence = false;
  for (const [i, line] of markdown.split("\n").entries()) {
    const number = firstLine + i;
    const text = line.trim();
    if (text.startsWith("```")) inFence = !inFence;
    const [marker = ""] = /^(?:#+ |[-*] |\d+\. |> |@\w+ )/.exec(text) ?? [];
    const isTable = text.startsWith("|");
    if (inFence || text === "" || marker !== "" || isTable) finish();
    if (inFence || text === "" || text.startsWith("```")) continue;
    if (!isTable) lines.push({ text: text.slice(marker.length), number });
    else for (const cell of text.split(/(?<!\\)\|/)) pieces.push(pieceOf([{ text: cell.trim(), number }]));
    if (marker.startsWith("#")) finish();
  }
  finish();
  return pieces;
}

function pieceOf(lines: readonly { readonly text: string; readonly number: number }[]): Piece {
  const ends: number[] = [];
  let text = "";
  for (const line of lines) {
    text += `${line.text}\n`;
    ends.push(text.length);
  }
  return {
    text: text
      // Of the same length, so that places stay the same.
      .replace(/\{@link [^}]*\}|`[^`]*`/g, (code) => `\`${"_".repeat(code.length - 2)}\``)
      .replace(/(?<=\])\([^)]*\)/g, (address) => " ".repeat(address.length)),
    lineAt: (index) => lines[ends.findIndex((end) => index < end)]?.number ?? NaN,
  };
}

/** The prose of a source: its comments; and beside it the names and strings in its code. */
function sourceParts(text: string): { readonly pieces: Piece[]; readonly code: Piece[] } {
  const file = ts.createSourceFile("source.ts", text, ts.ScriptTarget.Latest, true);
  const lineOf = (position: number): number => file.getLineAndCharacterOfPosition(position).line + 1;
  const comments = new Map<number, ts.CommentRange>();
  const code: Piece[] = [];
  const read = (node: ts.Node): void => {
    const ranges = [
      ...(ts.getLeadingCommentRanges(text, node.pos) ?? []),
      ...(ts.getTrailingCommentRanges(text, node.end) ?? []),
    ];
    for (const range of ranges) comments.set(range.pos, range);
    const children = node.getChildren(file).filter(({ kind }) => kind !== ts.SyntaxKind.JSDoc);
    children.forEach(read);
    if (children.length > 0 || node.kind === ts.SyntaxKind.EndOfFileToken) return;
    code.push({ text: node.getText(file), lineAt: () => lineOf(node.getStart(file)) });
  };
  read(file);
  const inOrder = [...comments.values()].sort((a, b) => a.pos - b.pos);
  return { pieces: joined(inOrder, text).flatMap(([from, prose]) => piecesOf(prose, lineOf(from))), code };
}

/** The texts of comments, each with its place; comments of one line each that follow one another are one text. */
function joined(comments: readonly ts.CommentRange[], text: string): [from: number, prose: string][] {
  const texts: [number, string][] = [];
  let end = -1;
  for (const { pos, end: nextEnd, kind } of comments) {
    const prose = text
      .slice(pos, nextEnd)
      .replace(/^\/\*\*?|\*\/$|^\/\/+/g, "")
      .replace(/^[ \t]*\* ?/gm, "");
    const last = texts.at(-1);
    const follows = kind === ts.SyntaxKind.SingleLineCommentTrivia && /^\n[ \t]*$/.test(text.slice(end, pos));
    if (follows && last !== undefined) last[1] += `\n${prose}`;
    else texts.push([pos, prose]);
    end = kind === ts.SyntaxKind.SingleLineCommentTrivia ? nextEnd : -1;
  }
  return texts;
}

/** A ceiling, and the findings that count for it. */
export interface Result extends Ceiling {
  readonly findings: readonly Finding[];
}

/** Compares the findings with the ceilings. */
export function resultsOf(findings: readonly Finding[], parts: readonly Ceiling[] = ceilings): Result[] {
  const partOf = ({ file, rule }: Finding): Ceiling | undefined =>
    parts.find((part) => part.files.test(file) && (part.rule === "any" || part.rule === rule));
  return parts.map((part) => ({ ...part, findings: findings.filter((finding) => partOf(finding) === part) }));
}

/** The files of the repository in `root` that are checked: the sources and the documents. */
export function proseFilesIn(root: string): string[] {
  return globSync(["src/**/*.{ts,md}", "*.md", "docs/**/*.md"], { cwd: root })
    .map((file) => file.replaceAll(sep, "/"))
    .sort();
}

export function proseResults(root: string): Result[] {
  return resultsOf(proseFilesIn(root).flatMap((file) => findingsIn(file, readFileSync(join(root, file), "utf8"))));
}

if (import.meta.main) {
  const results = proseResults(resolve(import.meta.dirname, ".."));
  for (const { findings } of results)
    for (const { file, line, rule, word } of findings) console.log(`${file}:${line} ${rule}: ${word}`);
  for (const { part, rule, most, findings } of results)
    console.log(`${part}, ${rule}: ${findings.length}, at most ${most}`);
  if (results.some(({ findings, most }) => findings.length > most)) process.exitCode = 1;
}
