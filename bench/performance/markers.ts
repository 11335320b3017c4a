/**
 * The parts of a document that a benchmark writes. They stand between comments that show their name: `<!-- bench fanout -->` and
 * `<!-- /bench fanout -->`, on lines of their own or within a line.
 */

/** A text and the parts to write into it. */
export type Parts = Readonly<Record<string, string>>;

const begin = (name: string): string => `<!-- bench ${name} -->`;
const end = (name: string): string => `<!-- /bench ${name} -->`;

/**
 * Writes each part between its comments. A part whose first comment ends its line gets lines of its own.
 *
 * @throws {RangeError} if a part has no place in the text or more than one, or if the text has a place for which there is no part.
 */
export function writeParts(text: string, parts: Parts): string {
  for (const [, name = ""] of text.matchAll(/<!-- \/?bench ([^ ]+) -->/g)) {
    if (!Object.hasOwn(parts, name))
      throw new RangeError(`The document has a place for "${name}", which nothing writes.`);
  }
  return Object.entries(parts).reduce((written, [name, part]) => writePart(written, name, part), text);
}

function writePart(text: string, name: string, part: string): string {
  const [before, ...afterBegin] = text.split(begin(name));
  const [old, ...afterEnd] = (afterBegin[0] ?? "").split(end(name));
  if (before === undefined || afterBegin.length !== 1 || afterEnd.length !== 1) {
    throw new RangeError(`The document needs one "${begin(name)}" and after it one "${end(name)}".`);
  }
  // Markdown takes lines after a comment for HTML until an empty line.
  const content = old?.startsWith("\n") === true ? `\n\n${part.trim()}\n\n` : part.trim();
  return [before, begin(name), content, end(name), afterEnd[0]].join("");
}
