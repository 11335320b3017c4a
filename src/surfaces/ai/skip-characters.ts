import { Enumeratee, type Enumerator } from "../../stream/index.ts";

/** Returns texts without their first `count` UTF-16 code units, for one run. Empty texts are left out. */
export function skipCharacters(source: Enumerator<string>, count: number): Enumerator<string> {
  let left = count;
  return source.through(
    Enumeratee.collect((text: string) => {
      const rest = text.slice(left);
      left -= text.length - rest.length;
      return rest === "" ? undefined : rest;
    }),
  );
}
