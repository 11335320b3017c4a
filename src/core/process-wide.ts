/**
 * Returns a value that all copies of this package in a process share.
 *
 * A bundler may put the package into a process several times, and hot reload may run a module again: a variable of a
 * module then has several values. The value is kept on `globalThis`, under a registered symbol. Copies of different
 * versions share it too, so its shape must not change under one name.
 *
 * @param create Makes the value on the first call in the process.
 */
export function processWide<Value extends object>(name: string, create: () => Value): Value {
  const holder = globalThis as { [key: symbol]: Value | undefined };
  const key = Symbol.for(`comet-sockets.${name}`);
  return (holder[key] ??= create());
}
