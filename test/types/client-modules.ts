/** What must compile, and, below each `@ts-expect-error`, what must not. Checked by `npm run types`; never run. */
import { batches, BareSource, CometSource, fetchEvents, logTo, ndjson } from "../../src/client/index.ts";

interface Price {
  readonly symbol: string;
  readonly cents: number;
}

const source = new CometSource<{ message: string; price: Price }>("/live");
const bare = new BareSource<{ price: Price }>("/live", { wire: ndjson });
const any = new CometSource("/live");
declare function show(text: string): void;

batches(source, (messages) => show(messages.map(({ data }) => data).join()));
batches(source, (messages) => show(messages[0]?.data.symbol ?? ""), { types: ["price"] });
batches(bare, (messages) => show(messages[0]?.data.symbol ?? ""), {
  types: ["price"],
  latest: ({ data }) => data.symbol,
});
batches(source, (messages) => show(typeof messages[0]?.data === "object" ? messages[0].data.symbol : ""), {
  types: ["message", "price"],
});
batches(any, (messages) => show(String(messages[0]?.data)));
// @ts-expect-error -- the data of `message` is a string
batches(source, (messages) => messages.map(({ data }): number => data));
// @ts-expect-error -- the cents of a price are a number
batches(source, () => undefined, { types: ["price"], latest: ({ data }): string => data.cents });
logTo(source, (line, { position }) => show(line + position));
logTo(bare, console.debug);

export async function read(): Promise<void> {
  for await (const { data } of fetchEvents("/answers")) show(data);
  for await (const { data } of fetchEvents("/answers", { parse: Number })) show(data.toFixed());
  // @ts-expect-error -- data is a number
  for await (const { data } of fetchEvents("/answers", { parse: Number })) show(data);
}
