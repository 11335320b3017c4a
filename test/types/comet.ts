/** What must compile, and, below each `@ts-expect-error`, what must not. Checked by `npm run types`; never run. */
import { comet, CometMessage, Enumeratee, type Enumerator, type Html, type JsonValue } from "../../src/index.ts";

interface Story {
  readonly title: string;
  readonly score?: number;
  readonly tags: readonly string[];
  readonly range: readonly [number, number | null];
}
interface Tree {
  readonly name: string;
  readonly children: readonly Tree[];
  readonly parent?: Tree;
}
declare function of<E>(): Enumerator<E>;

const socket = comet({ callback: "f" });
export const accepted: Enumerator<Html>[] = [
  of<string>().through(socket),
  of<"a" | "b">().through(socket),
  of<JsonValue>().through(socket),
  of<Story>().through(socket),
  of<Tree>().through(socket),
  of<string | Story | null>().through(socket),
  of<[1, "a"]>().through(socket),
  of<{ readonly left: string | undefined }>().through(socket),
  of<Record<string, number>>().through(socket),
  socket(of<Story>()),
  socket(new ReadableStream<string>()),
  of<Date>().through(comet({ callback: "f", encoder: (date) => date.toISOString() })),
  of<bigint>().through(comet({ callback: "f", encoder: String })),
  of<Map<string, number>>().through(comet({ callback: "f", encoder: (map) => Object.fromEntries(map) })),
  of<Story>().through(comet({ callback: "f", encoder: CometMessage.json })),
  of<string>().through(comet({ callback: "f", encoder: CometMessage.json })),
  of<Date>().through(
    Enumeratee.compose(
      Enumeratee.map((date) => date.getTime()),
      socket,
    ),
  ),
];

// @ts-expect-error a Date needs an encoder
of<Date>().through(socket);
// @ts-expect-error a bigint needs an encoder
of<bigint>().through(socket);
// @ts-expect-error a Map needs an encoder
of<Map<string, string>>().through(socket);
// @ts-expect-error a Set needs an encoder
of<Set<string>>().through(socket);
// @ts-expect-error bytes need an encoder
of<Uint8Array>().through(socket);
// @ts-expect-error a symbol is nothing that can be sent
of<symbol>().through(socket);
// @ts-expect-error a function is nothing that can be sent
of<() => string>().through(socket);
// @ts-expect-error undefined would be lost
of<string | undefined>().through(socket);
// @ts-expect-error nobody knows what it is
of<unknown>().through(socket);
// @ts-expect-error one member of a union is enough
of<string | Date>().through(socket);
// @ts-expect-error one property is enough
of<{ readonly at: Date }>().through(socket);
// @ts-expect-error however deep
of<{ readonly a: readonly { readonly b?: bigint }[] }>().through(socket);
// @ts-expect-error in an array, undefined would be lost
of<{ readonly a: readonly (string | undefined)[] }>().through(socket);
// @ts-expect-error called on a source, it is the same
socket(of<Date>());
const toDate = Enumeratee.map((n: number) => new Date(n));
// @ts-expect-error composed, it is the same
of<number>().through(Enumeratee.compose(toDate, socket));
// @ts-expect-error the JSON encoder encodes JSON
of<Date>().through(comet({ callback: "f", encoder: CometMessage.json }));
// @ts-expect-error an encoder must give JSON
of<Date>().through(comet({ callback: "f", encoder: (date) => date }));
// @ts-expect-error an encoder must take the elements
of<Date>().through(comet({ callback: "f", encoder: (n: number) => n }));
// @ts-expect-error a callback is needed
comet({});
// @ts-expect-error a string is not Html
comet({ callback: "f", initialChunk: "<html>" });
