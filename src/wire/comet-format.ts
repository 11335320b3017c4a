import { checkCallback, scriptFrame, scriptTag } from "./script-frame.ts";
import { controlObject, endedItem, messageObject, type Format } from "./format.ts";
import type { ControlItems, EndItem } from "./item.ts";
import { insideQuotes, jsonLiteral, jsonString, messageLiteral, stringLiteral } from "./literal.ts";

/**
 * The head of a hub's comet document. Blanks before `<html>` add nothing to the document. With the rest they make up
 * the 1,024 bytes and the explicit body that browsers need before they run scripts on arrival; test/browser checks it
 * in each of them.
 */
export const COMET_HEAD: string = headWith("");

function headWith(script: string): string {
  const blanks = " ".repeat(1024);
  return `<!doctype html>${blanks}\n<html><head><meta charset="utf-8"><title>Comet</title>${script}</head><body>\n`;
}

/** The members that both modes share. */
const document = {
  wire: "comet",
  contentType: "text/html; charset=utf-8",
  idsNameAllTopics: false,
  isChunked: false,
} as const;

/**
 * The format of plain comet: one script a message, which calls any page's callback with the data and nothing else.
 *
 * PROTOCOL.md, section 5, fixes the bytes. Control items are comments, so that a page that knows only its callback
 * never sees them.
 *
 * @param onEnded The function that is called with the end of a topic; a comment by default.
 * @throws {CometError} `ERR_CALLBACK`, `ERR_NONCE`.
 */
export function plainCometFormat(callback: string, nonce: string | undefined, onEnded?: string): Format {
  const { before, after } = scriptFrame(callback, nonce);
  const ended = onEnded === undefined ? endedComment : scriptFrame(onEnded, nonce);
  return {
    ...document,
    key: `comet ${before} ${ended.before}`,
    head: COMET_HEAD,
    frameKey: "comet",
    wrapper: { before, after: `${after}\n` },
    endedWrapper: { before: ended.before, after: `${ended.after}\n` },
    before: "",
    after: "",
    heartbeat: "\n",
    message: ({ id, text, json, ended: end }) => {
      if (end !== undefined) return inComment(endedItem(end, id));
      return text === undefined ? dataLiteral(json) : `'${insideQuotes(text, json)}'`;
    },
    control: comment,
    end: (item) => comment("end", item) + reconnectScript(item, nonce),
  };
}

/** The receiver of a managed stream's items: a callback of the page, or the window around it. */
export interface ManagedListener {
  readonly callback: string;
  /** The origin of the window around, if it is another: then items are posted to it, and the callback is not used. */
  readonly target: string | undefined;
}

/**
 * Writes the call that passes an array of strings, each the JSON of an item, to a listener.
 *
 * @throws {CometError} `ERR_CALLBACK`.
 */
function callOf({ callback, target }: ManagedListener, array: string): string {
  if (target !== undefined) return `parent.postMessage(${array},${jsonString(target)});`;
  return `${checkCallback(callback)}(${array});`;
}

/**
 * Writes a script that passes one item to a listener.
 *
 * @throws {CometError} `ERR_CALLBACK`, `ERR_NONCE`.
 */
export function managedScript(listener: ManagedListener, nonce: string | undefined, item: string): string {
  return `${scriptTag(nonce)}${callOf(listener, `[${jsonString(item)}]`)}</script>\n`;
}

/**
 * Writes the script that removes the comments from its document as they arrive, and passes their lines to a listener.
 */
function listenerScript(listener: ManagedListener, nonce: string | undefined): string {
  // A line without an end is incomplete: the connection was cut.
  const lines = "if(n.nodeType===8){var l=n.data.split('\\n');l.pop();t=(t||[]).concat(l)}";
  const read = `var t;r.forEach(function(m){m.addedNodes.forEach(function(n){${lines}})});`;
  // The observer must not report its own removals.
  const clear = "document.body.textContent='';o.takeRecords();";
  const watch = `var o=new MutationObserver(function(r){${read}if(t){${clear}${callOf(listener, "t")}}});`;
  return `${scriptTag(nonce)}${watch}o.observe(document,{childList:true,subtree:true})</script>`;
}

/**
 * The format of managed comet, for pages that run this package's client: one comment a batch, with one line an item,
 * which a script in the head passes to a listener.
 *
 * Comments, and not scripts, since the page drops them: a script's text and compiled code would stay in memory.
 * PROTOCOL.md, section 5, fixes the bytes.
 *
 * @throws {CometError} `ERR_CALLBACK`, `ERR_NONCE`.
 */
export function managedCometFormat(listener: ManagedListener, nonce: string | undefined): Format {
  const script = listenerScript(listener, nonce);
  const [before, after] = ["<!--", "-->"];
  // Only strings contain this character, and without it no comment can end.
  const line = (json: string): string => `${json.replaceAll(">", "\\u003e")}\n`;
  const alone = <Name extends keyof ControlItems>(name: Name, item: ControlItems[Name]): string =>
    before + line(controlObject(name, item)) + after;
  return {
    ...document,
    key: `comet managed ${script}`,
    head: headWith(script),
    frameKey: "comet managed",
    wrapper: undefined,
    endedWrapper: undefined,
    before,
    after,
    heartbeat: before + after,
    message: (message) => line(messageObject(message)),
    control: alone,
    end: (item) => alone("end", item),
  };
}

/** JSON as a JavaScript literal. They are the same, except for a key `__proto__`. */
function dataLiteral(json: string): string {
  return json.includes('"__proto__"') ? messageLiteral(JSON.parse(json)) : json;
}

/** The comment around the end of a topic, for a page that has no function for it. */
const endedComment = { before: "<!--comet:ended ", after: "-->" } as const;

function comment<Name extends keyof ControlItems>(name: Name, item: ControlItems[Name]): string {
  return `<!--comet:${name} ${inComment(item)}-->\n`;
}

/** Writes an item as a literal that can end neither a comment nor a script. */
function inComment(item: ControlItems[keyof ControlItems]): string {
  return jsonLiteral(item, "json").replaceAll(">", "\\u003e");
}

/** A script that reloads the document from its last position, since a plain page does not know positions. */
function reconnectScript({ retryMs, position }: EndItem, nonce: string | undefined): string {
  if (retryMs === null) return "";
  const { before, after } = scriptFrame("setTimeout", nonce);
  // Each % of the position is a space, written as +: PROTOCOL.md, section 3.
  const parameter = stringLiteral(`&lastEventId=${encodeURIComponent(position).replaceAll("%25", "+")}`);
  // The page knows its address, so the hub need not keep it.
  const others = "location.search.slice(1).replace(/(^|&)lastEventId=[^&]*/g,'')";
  return `${before}function(){location.replace('?'+${others}+${parameter})},${retryMs}${after}\n`;
}
