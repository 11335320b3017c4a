/** How long it takes to encode a message, up to bytes in a buffer: one way, of one kind of message, in a process of its own. */
import { encodeMessage } from "../../../dist/hub/messages.js";
import { Log } from "../../../dist/log/log.js";
import { plainCometFormat } from "../../../dist/wire/comet-format.js";
import type { Format, LoggedMessage } from "../../../dist/wire/format.js";
import { jsonLiteral } from "../../../dist/wire/literal.js";
import { sseFormat } from "../../../dist/wire/sse-format.js";
import { measure } from "../../support/measure.ts";

/** A message of about 100 characters: words with nothing to escape, words with something, an object. Many different ones, so that none is cached. */
const kinds: { readonly [kind: string]: (i: number) => unknown } = {
  words: (i) =>
    `Message ${i} of the benchmark, comet returns after ${i * 7} years and is closer than it ever was to any of us.`,
  quoted: (i) =>
    `Message ${i} of the benchmark: comet returns after ${i * 7} years, "bright" & closer than it ever was to us.`,
  object: (i) => ({ id: i, title: `Comet ${i} returns`, price: i / 7, tags: ["sky", "news"], at: { x: i, y: -i } }),
};
const id = "bench=abcdefghi.123456";

/** What a log keeps, made by the wire modules alone. */
function logged(data: unknown): LoggedMessage {
  const text = typeof data === "string" ? data : undefined;
  return { id, json: jsonLiteral(data, "json"), text, event: undefined, key: undefined, messageId: undefined };
}

const frameBy = (format: Format) => (data: unknown) => format.message(logged(data), id);
const publishBy = (format: Format) => (data: unknown) => {
  const { json, text, event, key, messageId } = encodeMessage(data, {}, 65_536);
  return format.message({ id, json, text, event, key, messageId }, id);
};

/** All that is done once for a message: it is checked, put into a log, and read from its tape by the first of its subscribers. */
function throughLog(format: Format): (data: unknown) => number {
  const log = new Log("bench", "abcdefghi", {
    bounds: { maxEntries: 1000, maxBytes: 8_388_608, maxAgeMs: 3_600_000 },
    keepNewest: false,
    isDense: true,
  });
  return (data) => {
    const { offset } = log.append(encodeMessage(data, {}, 65_536), log.head, performance.now());
    return log.tape(format).read(offset - 1, offset).bytes.length;
  };
}

/** What Play's Comet helper does: a string escaped as ECMAScript (Apache's escapeEcmaScript), JSON as it is, in a script. */
function playStyle(data: unknown): string {
  const escaped = (text: string): string =>
    text.replace(/["'\\/\u0000-\u001f\u007f-\uffff]/g, (c) =>
      c >= " " && c < "\x7f" ? `\\${c}` : `\\u${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`,
    );
  const literal = typeof data === "string" ? `'${escaped(data)}'` : JSON.stringify(data);
  return `<script type="text/javascript">parent.cometMessage(${literal});</script>`;
}

const sse = sseFormat(2000);
const comet = plainCometFormat("parent.cometMessage", undefined);
const encoder = new TextEncoder();
const buffer = new Uint8Array(65_536);
const toBytes = (encode: (data: unknown) => string) => (data: unknown) =>
  encoder.encodeInto(encode(data), buffer).written;
const ways: { readonly [way: string]: (data: unknown) => number } = {
  bare: toBytes((data) => JSON.stringify(data)),
  play: toBytes(playStyle),
  sse: toBytes(frameBy(sse)),
  comet: toBytes(frameBy(comet)),
  "sse-publish": toBytes(publishBy(sse)),
  "comet-publish": toBytes(publishBy(comet)),
  "sse-log": throughLog(sse),
};

const MESSAGES = 512;
const [kind = "", way = "", minMs = "300"] = process.argv.slice(2);
const make = kinds[kind];
const encode = ways[way];
if (make === undefined || encode === undefined) throw new RangeError(`No encoding ${way} of ${kind}.`);
const all = Array.from({ length: MESSAGES }, (_, i) => make(i));
let bytes = 0;
const work = (): Promise<void> => {
  for (const data of all) bytes += encode(data);
  return Promise.resolve();
};
await measure(work, Number(minMs) / 2);
const { runs, cpuMs } = await measure(work, Number(minMs));
console.log(JSON.stringify({ ns: (cpuMs * 1e6) / (runs * MESSAGES), isRight: bytes > 0 }));
