import { cut, type WireEvents } from "../wire.ts";

/** In WebKit each piece of a document costs more than the last: after so many, or so many characters, which is just before the hub ends it, another is to take its place. */
const MAX_PIECES = 10_000;
const MAX_LENGTH = 3_500_000;
/** How long after its end a document's messages may arrive. */
const POSTED_MS = 100;

/**
 * Loads a document that does not end in an iframe that nobody sees, hears of, or can go to.
 *
 * @returns The iframe, what is to be called for each piece of it that has come, and what takes it away.
 */
export function openFrame(
  address: string,
  { broken, worn }: WireEvents,
): { frame: HTMLIFrameElement; ran: (texts: readonly string[]) => void; close: () => void } {
  const frame = document.createElement("iframe");
  const over = new AbortController();
  // What has come before may be still on its way to the page.
  const ended = (): unknown => setTimeout(() => broken(cut), POSTED_MS);
  let pieces = 0;
  let length = 0;
  // Of a frame that is there before `load` the page would wait for the end; the tab would seem to be loading.
  const insert = (): unknown => setTimeout(() => over.signal.aborted || document.body.append(frame));
  frame.hidden = true;
  // Before it is in the page, so that it makes no entry in the history.
  frame.src = address;
  // The document never loads but by its connection's end: this is what WebKit says of a cut.
  frame.addEventListener("load", ended, over);
  const remove = (): void => {
    removeEventListener("pagehide", remove);
    frame.remove();
  };
  // After this no timer runs, and a page with a stream in a frame is not kept for the back button.
  addEventListener("pagehide", remove);
  if (document.readyState === "complete") insert();
  else addEventListener("load", insert, over);
  return {
    frame,
    ran: (texts) => {
      // And this is what Firefox says. Chromium says nothing: there, the silence must do.
      if (pieces++ === 0) frame.contentDocument?.addEventListener("readystatechange", ended, over);
      for (const text of texts) length += text.length;
      if (pieces < MAX_PIECES && length < MAX_LENGTH) return;
      // That is said once.
      pieces = length = -Infinity;
      worn();
    },
    close: () => {
      over.abort();
      // Not at once: an iframe is not to be taken away by a script that runs in it.
      setTimeout(remove);
    },
  };
}
