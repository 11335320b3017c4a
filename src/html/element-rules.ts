/** The elements and attributes that decide how a value is written, or that no value is safe in. */

import { CometError } from "../core/errors.ts";

const words = (text: string): ReadonlySet<string> => new Set(text.split(" "));

/** Elements whose content is text with character references. */
export const rcdata: ReadonlySet<string> = words("title textarea");
/** Elements whose content is text without character references. */
export const rawText: ReadonlySet<string> = words("style xmp iframe noembed noframes noscript");

/** The types of scripts that are JavaScript. Browsers run others too; values in those are rejected as unknown. */
const javascriptTypes = words(" module text/javascript application/javascript");
/** The types of scripts that nothing runs. Never add `importmap` or `speculationrules`: the browser acts on them. */
const jsonTypes = words("application/json application/ld+json");

const addresses = words("action background cite data formaction href longdesc manifest poster src xlink:href");
/** Attributes whose value is code or markup, changes what code may run, or is a list of addresses. */
const codeAttributes = words(
  "style srcdoc srcset imagesrcset http-equiv charset sandbox csp allow ping attributionsrc archive classid code " +
    "codebase attributename from to by values",
);
/** Elements for which an address is code, or chooses the target of an animation. */
const codeByAddress = words("animate animatemotion animatetransform base embed link object script set use");
/** The start of an address that fixes its scheme. */
const settledAddress = /^(?:https?:|mailto:|tel:|[^:&]*[/?#])/i;

/**
 * Returns whether a hole in a quoted attribute is text, or a whole address.
 *
 * @param before The fixed text of the value before the hole.
 * @throws {CometError} if no value is safe in it.
 */
export function attributeHole(tag: string, name: string, before: string): "text" | "address" {
  if (name.startsWith("on") || codeAttributes.has(name))
    throw new CometError("ERR_HTML", `in the attribute ${name}, which is code, markup or a list of addresses`);
  if (tag === "script" && (name === "type" || name === "language"))
    throw new CometError("ERR_HTML", "in the type of a script");
  if (!addresses.has(name)) return "text";
  if (codeByAddress.has(tag))
    throw new CometError("ERR_HTML", `in the ${name} of a <${tag}>, which decides what code runs`);
  if (settledAddress.test(before)) return "text";
  if (before !== "")
    throw new CometError(
      "ERR_HTML",
      `in the ${name} after ${JSON.stringify(before)}, where it could change the scheme`,
    );
  return "address";
}

/**
 * Returns how a value in a script of this type is written.
 *
 * @throws {CometError} if the type is neither JavaScript nor data.
 */
export function scriptHole(type: string): "script" | "json" {
  if (jsonTypes.has(type)) return "json";
  if (javascriptTypes.has(type)) return "script";
  throw new CometError("ERR_HTML", `in a script of type ${type}`);
}
