import { checkCallback, scriptFrame, scriptTag } from "./script-frame.ts";
import { controlObject, messageObject, type Format } from "./format.ts";
import type { ControlItems, EndItem } from "./item.ts";
import { insideQuotes, jsonString, messageLiteral, stringLiteral } from "./literal.ts";

/**
 * What the document of a hub's comet socket begins with. Blanks before `<html>` are no part of the document; with the rest
 * they are the 1,024 bytes and the explicit body after which every browser runs scripts as they come.
 */
export const COMET_HEAD: string = headWith("");

function headWith(script: string): string {
  const blanks = " ".repeat(1024);
  return `<!doctype html>${blanks}\n<html><head><meta charset="utf-8"><title>Comet</title>${script}</head><body>\n`;
}

/** What both modes have in common. */
const document = {
  wire: "comet",
  contentType: "text/html; charset=utf-8",
  idsNameAllTopics: false,
  isChunked: false,
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
    head: COMET_HEAD,
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
 * The call that gives a listener an array of strings, each the JSON of an item.
 *
 * @throws {CometError} `ERR_CALLBACK`.
 */
function callOf({ callback, target }: Listener, array: string): string {
  if (target !== undefined) return `parent.postMessage(${array},${jsonString(target)});`;
  return `${checkCallback(callback)}(${array});`;
}

/**
 * A script that gives a listener one item.
 *
 * @throws {CometError} `ERR_CALLBACK`, `ERR_NONCE`.
 */
export function managedScript(listener: Listener, nonce: string | undefined, item: string): string {
  return `${scriptTag(nonce)}${callOf(listener, `[${jsonString(item)}]`)}</script>\n`;
}

/** Takes the comments out of its document as they come, and gives their lines to a listener. */
function listenerScript(listener: Listener, nonce: string | undefined): string {
  // A line that has no end is that of a connection that was cut.
  const lines = "if(n.nodeType===8){var l=n.data.split('\\n');l.pop();t=(t||[]).concat(l)}";
  const read = `var t;r.forEach(function(m){m.addedNodes.forEach(function(n){${lines}})});`;
  // That these are gone is not to be told.
  const clear = "document.body.textContent='';o.takeRecords();";
  const watch = `var o=new MutationObserver(function(r){${read}if(t){${clear}${callOf(listener, "t")}}});`;
  return `${scriptTag(nonce)}${watch}o.observe(document,{childList:true,subtree:true})</script>`;
}

/**
 * One comment a batch, with a line an item, which one script at the beginning gives to a listener: for a page that runs our client. Nothing of what has
 * come stays in the page, where scripts would: their text, and what the browser compiled of it.
 *
 * @throws {CometError} `ERR_CALLBACK`, `ERR_NONCE`.
 */
export function managedCometFormat(listener: Listener, nonce: string | undefined): Format {
  const script = listenerScript(listener, nonce);
  const [before, after] = ["<!--", "-->"];
  // Only a string can have this character, and only with it a comment ends.
  const line = (json: string): string => `${json.replaceAll(">", "\\u003e")}\n`;
  const alone = <Name extends keyof ControlItems>(name: Name, item: ControlItems[Name]): string =>
    before + line(controlObject(name, item)) + after;
  return {
    ...document,
    key: `comet managed ${script}`,
    head: headWith(script),
    frameKey: "comet managed",
    before,
    after,
    heartbeat: before + after,
    message: (message) => line(messageObject(message)),
    control: alone,
    end: (item) => alone("end", item),
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
