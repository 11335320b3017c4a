import { Window } from "happy-dom";

/** Gives this file's tests what a page has, by the names of its globals, until they are over. @returns What takes it away. */
export function havePage(names: readonly string[]): {
  readonly document: Document;
  readonly leave: () => Promise<void>;
} {
  const window = new Window({ url: "http://page.test/" });
  const globals = globalThis as unknown as Record<string, unknown>;
  const before = names.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const);
  for (const name of names) {
    Object.defineProperty(globals, name, {
      value: name === "window" ? window : (window as unknown as Record<string, unknown>)[name],
      configurable: true,
      writable: true,
    });
  }
  const leave = async (): Promise<void> => {
    await window.happyDOM.close();
    for (const [name, descriptor] of before) {
      if (descriptor === undefined) Reflect.deleteProperty(globals, name);
      else Object.defineProperty(globals, name, descriptor);
    }
  };
  return { document: window.document as unknown as Document, leave };
}
