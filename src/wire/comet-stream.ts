import { scriptFrame } from "./comet.ts";
import { controlObject, messageObject, type Format } from "./format.ts";
import type { ControlItems, EndItem } from "./item.ts";
import { insideQuotes, jsonString, messageLiteral, stringLiteral } from "./literal.ts";

/**
 * What the document of a hub's comet socket begins with. Blanks before `<html>` are no part of the document; with the rest
 * they are the 1,024 bytes and the explicit body after which every browser runs scripts as they come.
 */
export const COMET_HEAD: string =
  `<!doctype html>${" ".repeat(1024)}\n` + '<html><head><meta charset="utf-8"><title>Comet</title></head><body>\n';

/** What both modes have in common. */
const document = {
  wire: "comet",
  contentType: "text/html; charset=utf-8",
  idsNameAllTopics: false,
  isChunked: false,
  head: COMET_HEAD,
} as const;

/**
 * One script a message, which gives the data to any page's callback and nothing else.
 *
 * @throws {CometError} `ERR_CALLBACK`, `ERR_NONCE`.
 */
export function plainCometFormat(callback: string, nonce: string | undefined): Format {
  const { before, after } = scriptFrame(callback, nonce);
  const key = `comet ${before}`;
  const [beforeString, afterString, afterLine] = [`${before}'`, `'${after}\n`, `${after}\n`];
  return {
    ...document,
    key,
    frameKey: nonce === undefined ? key : undefined,
    before: "",
    after: "",
    heartbeat: "\n",
    message: ({ text, json }) => {
      if (text === undefined) return `${before}${dataLiteral(json)}${afterLine}`;
      return `${beforeString}${insideQuotes(text, json)}${afterString}`;
    },
    control: comment,
    end: (item, query) => comment("end", item) + comeBack(item, query, nonce),
  };
}

/** Who is given the items of a managed stream. */
export interface Listener {
  readonly callback: string;
  /** The origin of the page around, if it is another's: then they are posted to it, and the callback does not count. */
  readonly target: string | undefined;
}

/**
 * What stands before and after the strings of a managed script.
 *
 * @throws {CometError} `ERR_CALLBACK`, `ERR_NONCE`.
 */
export function managedScript(
  { callback, target }: Listener,
  nonce: string | undefined,
): { readonly before: string; readonly after: string } {
  const { before, after } = scriptFrame(target === undefined ? callback : "parent.postMessage", nonce);
  return { before: `${before}[`, after: `]${target === undefined ? "" : `,${jsonString(target)}`}${after}\n` };
}

/**
 * One script a batch, which gives a listener an array of strings, each the JSON of an item: for a page that runs our client.
 *
 * @throws {CometError} `ERR_CALLBACK`, `ERR_NONCE`.
 */
export function managedCometFormat(listener: Listener, nonce: string | undefined): Format {
  const { before, after } = managedScript(listener, nonce);
  const call = (item: string): string => `${before}${jsonString(item)}${after}`;
  return {
    ...document,
    key: `comet managed ${before}${after}`,
    frameKey: "comet managed",
    before,
    after,
    heartbeat: before + after,
    message: (message) => `${jsonString(messageObject(message))},`,
    control: (name, item) => call(controlObject(name, item)),
    end: (item) => call(controlObject("end", item)),
  };
}

/** JSON as JavaScript, which it is already but for a key `__proto__`. */
function dataLiteral(json: string): string {
  return json.includes('"__proto__"') ? messageLiteral(JSON.parse(json)) : json;
}

function comment<Name extends keyof ControlItems>(name: Name, item: ControlItems[Name]): string {
  const json = JSON.stringify(item).replace(/[<>&]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`);
  return `<!--comet:${name} ${json}-->\n`;
}

/** A page that knows nothing of positions is brought back by its document itself. */
function comeBack({ retryMs, position }: EndItem, query: string, nonce: string | undefined): string {
  if (retryMs === null) return "";
  const address = `?${query}${query === "" ? "" : "&"}lastEventId=${encodeURIComponent(position)}`;
  const { before, after } = scriptFrame("setTimeout", nonce);
  return `${before}function(){location.replace(${stringLiteral(address)})},${retryMs}${after}\n`;
}
