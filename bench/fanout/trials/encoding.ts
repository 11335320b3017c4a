/** The time to encode a message into bytes in a buffer: one way, in a process of its own. */
import { encodeMessage } from "../../../dist/hub/topics/encode-message.js";
import { plainCometFormat } from "../../../dist/wire/comet-format.js";
import type { Format, LoggedMessage } from "../../../dist/wire/format.js";
import { jsonLiteral } from "../../../dist/wire/literal.js";
import { sseFormat } from "../../../dist/wire/sse-format.js";
import { measure } from "../../support/measure.ts";

/** A string of about 100 characters with nothing to escape. Each is different, so that none comes from a cache. */
function words(i: number): string {
  return `Message ${i} of the benchmark, comet returns after ${i * 7} years and is closer than it ever was to any of us.`;
}
const id = "bench=abcdefghi.123456";

/** The entry of a log, made by the wire modules alone. */
function logged(text: string): LoggedMessage {
  return {
    id,
    json: jsonLiteral(text, "json"),
    text,
    event: undefined,
    key: undefined,
    messageId: undefined,
    ended: undefined,
  };
}

const frameBy = (format: Format) => (text: string) => format.message(logged(text), id);
const publishBy = (format: Format) => (data: string) => {
  const { json, text, event, key, messageId } = encodeMessage(data, {}, 65_536);
  return format.message({ id, json, text, event, key, messageId, ended: undefined }, id);
};

const sse = sseFormat(() => 2000);
const comet = plainCometFormat("parent.cometMessage", undefined);
const encoder = new TextEncoder();
const buffer = new Uint8Array(65_536);
const ways: { readonly [way: string]: (text: string) => string } = {
  bare: (text) => JSON.stringify(text),
  sse: frameBy(sse),
  comet: frameBy(comet),
  "sse-publish": publishBy(sse),
  "comet-publish": publishBy(comet),
};

const MESSAGES = 512;
const [way = "", minMs = "300"] = process.argv.slice(2);
const encode = ways[way];
if (encode === undefined) throw new RangeError(`No encoding ${way}.`);
const all = Array.from({ length: MESSAGES }, (_, i) => words(i));
let bytes = 0;
const work = (): Promise<void> => {
  for (const text of all) bytes += encoder.encodeInto(encode(text), buffer).written;
  return Promise.resolve();
};
await measure(work, Number(minMs) / 2);
const { runs, cpuMs } = await measure(work, Number(minMs));
console.log(JSON.stringify({ ns: (cpuMs * 1e6) / (runs * MESSAGES), isRight: bytes > 0 }));
