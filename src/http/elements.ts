import { CometError, describe } from "../core/errors.ts";
import { peek } from "../stream/peek.ts";
import { Html } from "../html/html.ts";

/** An element of a chunked response. Each is one chunk; an empty one sends nothing. */
export type ChunkElement = Html | string | Uint8Array;

/** The kind of a response's elements. It decides the default content type. */
export type ElementKind = "html" | "text" | "bytes";

export const contentTypes: Readonly<Record<ElementKind, string>> = {
  html: "text/html; charset=utf-8",
  text: "text/plain; charset=utf-8",
  bytes: "application/octet-stream",
};

/** Returns the kind of an element; `undefined` if it is no element. */
export function kindOf(element: unknown): ElementKind | undefined {
  if (typeof element === "string") return "text";
  if (element instanceof Html) return "html";
  return element instanceof Uint8Array ? "bytes" : undefined;
}

const declared = new WeakMap<AsyncIterable<unknown>, ElementKind>();

/** Declares the kind of a source's elements before the first of them. */
export function declareKind<S extends AsyncIterable<unknown>>(source: S, kind: ElementKind): S {
  declared.set(source, kind);
  return source;
}

/**
 * Returns the kind of a source's elements if it is known without waiting: it was declared, or the first element is
 * available. The caller MUST read `elements` instead of the source.
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
 * Returns the text or bytes of an element.
 *
 * @param kind The kind for which the content type was chosen; `undefined` if the application chose it: then kinds may
 *   be mixed.
 * @throws {CometError} `ERR_ELEMENT` for a value that is no element, and for an element of another kind: a string in an
 *   HTML document would not be escaped.
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
      `A response of the type ${contentTypes[kind]} cannot contain ${describe(element)}. ` +
        "Set its content-type header to allow elements of any kind.",
    );
  }
  return own === "html" ? (element as Html).toString() : (element as string | Uint8Array);
}
