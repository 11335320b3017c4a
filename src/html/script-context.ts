/**
 * Follows JavaScript text as far as is needed to know whether a value may stand at its end: not within a string, a
 * template, a comment or a regular expression. A slash that is no comment may begin a regular expression or be a
 * division, which only a parser can tell; after one, no value is let in.
 */
export class ScriptContext {
  #state: "code" | "'" | '"' | "`" | "//" | "/*" | "unknown" = "code";

  /** Reads on. `text` never ends within an escape of the source, since templates are split at their holes only. */
  read(text: string): void {
    for (let i = 0; i < text.length; i += 1) {
      const character = text[i] as string;
      switch (this.#state) {
        case "code":
          if (character === "'" || character === '"' || character === "`") this.#state = character;
          else if (character === "/") {
            const next = text[i + 1];
            this.#state = next === "/" ? "//" : next === "*" ? "/*" : "unknown";
            i += 1;
          }
          break;
        case "'":
        case '"':
        case "`":
          if (character === "\\") i += 1;
          else if (character === this.#state) this.#state = "code";
          else if (character === "$" && this.#state === "`" && text[i + 1] === "{") this.#state = "unknown";
          break;
        case "//":
          if (/[\n\r\u2028\u2029]/.test(character)) this.#state = "code";
          break;
        case "/*":
          if (character === "*" && text[i + 1] === "/") {
            this.#state = "code";
            i += 1;
          }
          break;
        case "unknown":
          return;
      }
    }
  }

  /** Why no value may stand here; `undefined` if one may. */
  get refusal(): string | undefined {
    switch (this.#state) {
      case "code":
        return undefined;
      case "'":
      case '"':
      case "`":
        return `inside a JavaScript string: leave the ${this.#state} out, the value brings its own quotes`;
      case "//":
      case "/*":
        return "inside a JavaScript comment";
      case "unknown":
        return "in a script after a regular expression, a division or a template literal: give the value to a variable above";
    }
  }
}
