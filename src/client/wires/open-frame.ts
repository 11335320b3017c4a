import { connectionLost, parseItems, type WireEvents, type WireRequest } from "../client-wire.ts";

/**
 * The number of items and of characters after which another document should replace one. WebKit copies its list of all
 * pieces of a response for each new piece, and a piece may have a single item: after 10,000 pieces a page that receives
 * 5,000 a second does nothing else. The length is just below the 4 MiB at which a hub ends a comet socket by default.
 */
const MAX_ITEMS = 2500;
const MAX_LENGTH = 3_500_000;
/** Posted messages may arrive up to this time after the end of their document. */
const POSTED_MS = 100;

/**
 * Loads an endless document in a hidden iframe, which adds nothing to the page's history, focus order or load spinner.
 *
 * Browsers depend on the order of the steps: test/browser/client-frame.test.ts checks the effects in each of them.
 *
 * @returns The iframe; `receive`, to be called with the texts of each batch; and `close`, which removes the iframe.
 */
export function openFrame(
  address: string,
  { parse }: WireRequest,
  { received, broken, expiring }: WireEvents,
): { frame: HTMLIFrameElement; receive: (texts: readonly string[]) => void; close: () => void } {
  const frame = document.createElement("iframe");
  const over = new AbortController();
  // Messages that were posted before the end may still be on their way.
  const ended = (): unknown => setTimeout(() => broken(connectionLost), POSTED_MS);
  let items = 0;
  let length = 0;
  // A page whose iframe exists before `load` waits for its end, and its tab seems to load for ever.
  const insert = (): unknown => setTimeout(() => over.signal.aborted || document.body.append(frame));
  frame.hidden = true;
  // Set before the iframe is in the page: a later address would be an entry of the history.
  frame.src = address;
  // The document loads only when its connection ends. WebKit reports a cut in this way.
  frame.addEventListener("load", ended, over);
  const remove = (): void => {
    removeEventListener("pagehide", remove);
    frame.remove();
  };
  // No timer runs after `pagehide`, and browsers keep no page for the back button that has a stream in an iframe.
  addEventListener("pagehide", remove);
  if (document.readyState === "complete") insert();
  else addEventListener("load", insert, over);
  return {
    frame,
    receive: (texts) => {
      // Firefox reports a cut in this way. Chromium reports nothing: there the idle timeout detects it.
      if (length === 0) frame.contentDocument?.addEventListener("readystatechange", ended, over);
      items += texts.length;
      for (const text of texts) length += text.length;
      if (items >= MAX_ITEMS || length >= MAX_LENGTH) {
        // Neither bound is reached again, so the event is emitted once.
        items = length = -Infinity;
        expiring();
      }
      received(parseItems(texts, parse));
    },
    close: () => {
      over.abort();
      // In a task of its own, since a script of the iframe may have called this.
      setTimeout(remove);
    },
  };
}
