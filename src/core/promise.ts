export function isPromiseLike<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

/** Goes on with a value: at once where nothing waits. */
export function andThen<A, B>(value: A | PromiseLike<A>, f: (value: A) => B | PromiseLike<B>): B | PromiseLike<B> {
  return isPromiseLike(value) ? value.then(f) : f(value);
}
