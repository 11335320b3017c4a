/** A value that JSON can carry (RFC 8259). A property that is `undefined` is left out. */
export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue | undefined };

/**
 * `T` itself if JSON can carry every value of it, and otherwise a type that `T` does not extend. Unlike
 * {@link JsonValue} it accepts interfaces. It rejects types with functions, and so `Date`, `Map` and all other classes
 * with methods.
 */
export type Jsonable<T> = T extends JsonValue
  ? T
  : T extends undefined | bigint | symbol | ((...args: never[]) => unknown)
    ? never
    : T extends readonly unknown[]
      ? { [I in keyof T]: Jsonable<T[I]> }
      : T extends object
        ? { [K in keyof T]: Jsonable<T[K]> | undefined }
        : never;

/** The error that the compiler shows for an element type that is neither a string nor JSON. */
export interface NeedsEncoder {
  readonly "neither a string nor JSON: give an encoder": never;
}

/**
 * `unknown` if JSON can carry `E`, and {@link NeedsEncoder} otherwise. Use it in an intersection with a parameter's
 * type: `unknown` changes nothing there. test/types checks which types compile.
 */
export type IfJsonable<E> = [E] extends [Jsonable<E>] ? unknown : NeedsEncoder;
