/** Whether a value is a promise, or any object with a method `then`. */
export function isPromiseLike<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

/**
 * Continues with a value: synchronously if it is no promise. `f` is called once at most, whatever an object with a method
 * `then` does.
 */
export function andThen<A, B>(value: A | PromiseLike<A>, f: (value: A) => B | PromiseLike<B>): B | PromiseLike<B> {
  return isPromiseLike(value) ? Promise.resolve(value).then(f) : f(value);
}
