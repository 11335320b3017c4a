import type { HubSettings } from "../hub-settings.ts";
import { addCoding, type StreamCoding } from "./content-coding.ts";
import { addStreamHeaders, type CometDocument, type RequestOptionsWithPolicy } from "./headers.ts";

/** The properties of a stream on which its headers depend. */
export interface StreamHead {
  /** The headers that the application gives; `undefined` if it gives none. */
  readonly given: Headers | undefined;
  readonly contentType: string;
  /** The document, on comet. */
  readonly document: CometDocument | undefined;
  readonly coding: StreamCoding;
  /** The headers for other origins. */
  readonly crossOrigin: Headers | undefined;
}

/**
 * Makes the headers of streams. Streams for which the application gives nothing of its own share one object for each wire and
 * coding: building `Headers` takes longer than all other work of an admission.
 *
 * The number of shared objects is bounded: content types are fixed, and a document's target is one of the application's origins.
 */
export class StreamHeaders {
  readonly #settings: HubSettings;
  readonly #shared = new Map<string, Headers>();

  constructor(settings: HubSettings) {
    this.#settings = settings;
  }

  /** Returns the headers of a stream. Other streams may have the same object: do not change it. */
  of(head: StreamHead, options: RequestOptionsWithPolicy): Headers {
    if (hasOwn(head, options)) return this.#make(head, options);
    const { contentType, document, coding } = head;
    // Most streams have the content type alone, whose text need not be made.
    const key =
      document === undefined && coding === "none"
        ? contentType
        : `${contentType}\n${coding}\n${document === undefined ? "" : (document.target ?? "document")}`;
    let headers = this.#shared.get(key);
    if (headers === undefined) this.#shared.set(key, (headers = this.#make(head, options)));
    return headers;
  }

  #make({ given, contentType, document, coding, crossOrigin }: StreamHead, options: RequestOptionsWithPolicy): Headers {
    const headers = new Headers(given);
    addStreamHeaders(headers, contentType, document, this.#settings, options, crossOrigin);
    addCoding(headers, coding);
    return headers;
  }
}

/** Returns whether the headers of a stream depend on more than its wire and coding. */
function hasOwn({ given, crossOrigin }: StreamHead, options: RequestOptionsWithPolicy): boolean {
  const { nonce, inheritedPolicy, inheritedResourcePolicy } = options;
  return (given ?? crossOrigin ?? nonce ?? inheritedPolicy ?? inheritedResourcePolicy) !== undefined;
}

/** Returns headers with others, which take precedence. */
export function merged(headers: Headers | undefined, others: Readonly<Record<string, string>>): Headers {
  const all = new Headers(headers);
  for (const [name, value] of Object.entries(others)) all.set(name, value);
  return all;
}

/** Returns headers without those that describe a body. */
export function withoutContent(headers: Headers): Headers {
  const rest = new Headers(headers);
  rest.delete("content-type");
  rest.delete("content-encoding");
  return rest;
}
