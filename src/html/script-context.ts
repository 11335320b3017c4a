/**
 * Tracks JavaScript text, to decide whether a value may follow: not within a string, a template, a comment or a regular
 * expression.
 *
 * A slash that begins no comment is a regular expression or a division, which only a parser can distinguish. `-->` and
 * `#!` are comments in some places. After any of these it rejects all values. Do not guess here: a wrong guess is an
 * injection.
 */
export class ScriptContext {
  #state: "code" | "'" | '"' | "`" | "//" | "/*" | "unknown" = "code";

  /** Reads the next text. It never ends within an escape of the source, since templates are split only at holes. */
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
          } else if (text.startsWith("-->", i) || text.startsWith("#!", i)) this.#state = "unknown";
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

  /** The reason why no value may follow; `undefined` if one may. */
  get refusal(): string | undefined {
    switch (this.#state) {
      case "code":
        return undefined;
      case "'":
      case '"':
      case "`":
        return `inside a string of a script: leave the ${this.#state} out, the value brings its own quotes`;
      case "//":
      case "/*":
        return "inside a JavaScript comment";
      case "unknown":
        return "in a script after a regular expression, a division, a template literal, --> or #!: give the value to a variable above";
    }
  }
}
