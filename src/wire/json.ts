/** A value that JSON can carry (RFC 8259), as TypeScript sees it. A property that is `undefined` is left out. */
export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue | undefined };

/**
 * `T` itself if JSON can carry every value of it, and otherwise something that `T` does not extend. Unlike
 * {@link JsonValue} it accepts interfaces. Functions make a type unfit, and with them `Date`, `Map` and all other classes with methods.
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

/** `unknown`, which changes no type that it is joined to, if JSON can carry `E`. */
export type IfJsonable<E> = [E] extends [Jsonable<E>] ? unknown : NeedsEncoder;
