import { CometError, describe } from "../core/errors.ts";
import { peek } from "../stream/peek.ts";
import { Html } from "../html/html.ts";

/** What a chunked response is made of. Each element is one chunk; an empty one sends nothing. */
export type ChunkElement = Html | string | Uint8Array;

/** What the elements of a response are, which its content type follows. */
export type ElementKind = "html" | "text" | "bytes";

export const contentTypes: Readonly<Record<ElementKind, string>> = {
  html: "text/html; charset=utf-8",
  text: "text/plain; charset=utf-8",
  bytes: "application/octet-stream",
};

/** The kind of an element; `undefined` if it is none. */
export function kindOf(element: unknown): ElementKind | undefined {
  if (typeof element === "string") return "text";
  if (element instanceof Html) return "html";
  return element instanceof Uint8Array ? "bytes" : undefined;
}

const declared = new WeakMap<AsyncIterable<unknown>, ElementKind>();

/** Notes what a source will give, before it has given anything. */
export function declareKind<S extends AsyncIterable<unknown>>(source: S, kind: ElementKind): S {
  declared.set(source, kind);
  return source;
}

/**
 * What a source will give, where that is known without waiting: it was declared, or the first element is at hand. Read
 * `elements` instead of the source.
 */
export function knownKind(source: AsyncIterable<ChunkElement>): {
  readonly kind: ElementKind | undefined;
  readonly elements: AsyncIterable<ChunkElement>;
} {
  const kind = declared.get(source);
  const peeked = kind === undefined ? peek(source) : undefined;
  if (peeked === undefined) return { kind, elements: source };
  return { kind: kindOf(peeked.first), elements: peeked.rest };
}

/**
 * The text or bytes of an element. `kind` is what the response's content type was chosen for; `undefined` if the
 * application chose it by itself: then anything may be mixed.
 *
 * @throws {CometError} `ERR_ELEMENT` for what is no element, and for one of another kind: a string in an HTML document would not be escaped.
 */
export function contentOf(element: unknown, kind: ElementKind | undefined): string | Uint8Array {
  const own = kindOf(element);
  if (own === undefined) {
    const message = `An element of a chunked response must be Html, a string or a Uint8Array, not ${describe(element)}.`;
    throw new CometError("ERR_ELEMENT", message);
  }
  if (kind !== undefined && own !== kind) {
    throw new CometError(
      "ERR_ELEMENT",
      `A response that was begun as ${contentTypes[kind]} was given ${describe(element)}. If that is meant, ` +
        `set its content-type header: it is followed, and the elements may be of any kind.`,
    );
  }
  return own === "html" ? (element as Html).toString() : (element as string | Uint8Array);
}
