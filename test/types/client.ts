/** What must compile, and, below each `@ts-expect-error`, what must not. Checked by `npm run types`; never run. */
import {
  BareSource,
  CometSource,
  ndjson,
  type CometErrorEvent,
  type CometMessageEvent,
} from "../../src/client/index.ts";

interface Story {
  readonly title: string;
}
interface News {
  readonly message: Story;
  readonly price: number;
}

const any = new CometSource("/live");
const news = new CometSource<News>("/live");
const prices = new BareSource<{ price: number }>("/live", { wire: ndjson });

// A source can be used where an `EventSource` is asked for.
export const sources: EventSource[] = [any, news, prices, new BareSource("/live", { wire: ndjson })];
export const targets: EventTarget[] = [any, news, prices];
declare function takesAny(source: BareSource): void;
takesAny(any);

any.onmessage = ({ data }) => console.log((data as Story).title);
any.addEventListener("anything", ({ data, key }: CometMessageEvent<Story>) => console.log(data.title, key));
any.addEventListener("message", (event: MessageEvent<string>) => console.log(event.data.length));
any.addEventListener("error", ({ code, retryMs }) => console.log(code.length, retryMs));

news.onmessage = ({ data, type }) => console.log(data.title, type satisfies "message");
news.onopen = ({ wire, states }) => console.log(wire, states);
news.onerror = ({ code, status }: CometErrorEvent) => console.log(code, status);
news.onerror = null;
news.onclose = ({ reason, outcome }) => console.log(reason, outcome);
news.addEventListener("price", ({ data, type }) => console.log(data.toFixed(2), type satisfies "price"));
news.addEventListener("price", { handleEvent: ({ data }) => console.log(data.toFixed(2)) }, { once: true });
news.addEventListener("gap", ({ topic, missed }) => console.log(topic, missed));
news.removeEventListener("price", null);
// @ts-expect-error a misspelt name
news.addEventListener("prise", () => undefined);
// @ts-expect-error a misspelt name
news.removeEventListener("prise", null);
// @ts-expect-error no message has this name
prices.addEventListener("message", () => undefined);
// @ts-expect-error a price is a number
news.addEventListener("price", ({ data }) => console.log(data.title));
// @ts-expect-error a story has no such member
news.onmessage = ({ data }) => console.log(data.titel);
// @ts-expect-error an open event has no such member
news.onopen = ({ code }) => console.log(code);

export async function read(): Promise<void> {
  for await (const event of news) {
    if (event.type === "price") console.log(event.data.toFixed(2));
    else console.log(event.data.title, event.type satisfies "message");
    // @ts-expect-error no message has this name
    if (event.type === "prise") break;
  }
  for await (const { type, data, lastEventId } of any) console.log(type.length, data as Story, lastEventId.length);
  for await (const { data } of new CometSource<{ price: number }>("/live")) console.log(data.toFixed(2));
}

news.topics = [...news.topics, "sport"];
news.topics = new Set(["a"]);
// @ts-expect-error a string is a list of its characters
news.topics = 7;
