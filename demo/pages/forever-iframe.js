import { pauseMs } from "./pause.js";

/**
 * A connection that has not begun within so long is given up; after each failure it may take so much longer, up to the
 * second. Firefox and WebKit say nothing of a server that is not there.
 */
const CONNECT_MS = 3000;
const LONGEST_CONNECT_MS = 20_000;
/** An iframe keeps every script that ran in it. After so many it is replaced, and its memory is free. */
const MAX_SCRIPTS = 10_000;
/** A connection that has lasted so long was a good one: the next pause is a short one again. */
const GOOD_MS = 5000;

/** Each iframe calls a function of its own, so that none is taken for another. */
let frames = 0;

/**
 * Follows topics of a hub by a comet socket in a hidden iframe: a managed client of PROTOCOL.md. It comes back with its
 * position whenever its connection ends, breaks or falls silent, so that it gets every message once.
 *
 * @param address The hub's, with the topics and `from`.
 * @param on What is told: `message(data, item)`, `open(states)`, `gap({ topic, missed })`, and `state` "connecting", "live",
 *   "reconnecting", or "ended" when there is no coming back.
 */
export function foreverIframe(address, on) {
  const socket = new Socket(address, on);
  on.state?.("connecting");
  // An iframe that is there before `load` would hold it up for ever, and the tab would seem to be loading.
  if (document.readyState === "complete") socket.open();
  else addEventListener("load", () => setTimeout(() => socket.open()));
  // A page with an open stream is not kept for the back button; WebKit keeps it, with the stream silently dead.
  addEventListener("pagehide", () => socket.close());
  addEventListener("pageshow", (event) => {
    if (event.persisted) socket.open();
  });
}

class Socket {
  #address;
  #on;
  /** For each topic its newest topic-position, by its name as it is written there. */
  #positions = new Map();
  #frame;
  #callback;
  /** Ends the listeners of a frame that is no more. */
  #frameEnds = new AbortController();
  #scripts;
  #openedAt;
  #heartbeatMs;
  #failures = 0;
  /** Until when the server is to say something, or until it is time to come back. */
  #timer;
  #away = true;

  constructor(address, on) {
    this.#address = address;
    this.#on = on;
  }

  open() {
    this.close();
    this.#away = false;
    this.#scripts = 0;
    this.#openedAt = undefined;
    this.#callback = `cometFrame${(frames += 1)}`;
    window[this.#callback] = (items) => this.#receive(items);
    this.#frame = document.createElement("iframe");
    this.#frame.hidden = true;
    this.#frame.src = this.#url();
    // The document never loads but by its connection's end: that is what WebKit says of a cut.
    this.#frameEnds = new AbortController();
    this.#frame.addEventListener("load", () => this.#cut(), this.#frameEnds);
    document.body.append(this.#frame);
    this.#expect(Math.min(CONNECT_MS * (1 + this.#failures), LONGEST_CONNECT_MS));
  }

  close() {
    clearTimeout(this.#timer);
    this.#away = true;
    this.#frameEnds.abort();
    if (this.#frame === undefined) return;
    this.#frame.remove();
    delete window[this.#callback];
  }

  #url() {
    const url = new URL(this.#address, location.href);
    const { searchParams } = url;
    searchParams.set("wire", "comet");
    searchParams.set("mode", "managed");
    searchParams.set("callback", `parent.${this.#callback}`);
    if (this.#positions.size > 0) searchParams.set("lastEventId", [...this.#positions.values()].join(","));
    return url.href;
  }

  #receive(items) {
    this.#scripts += 1;
    for (const item of items) this.#handle(JSON.parse(item));
    if (this.#away) return;
    if (this.#scripts >= MAX_SCRIPTS) this.#comeBack(0);
    else if (this.#heartbeatMs > 0) this.#expect(2 * this.#heartbeatMs);
    else clearTimeout(this.#timer);
  }

  #handle(item) {
    if ("data" in item) {
      this.#keep(item.id);
      this.#tell("message", item.data, item);
    } else if ("open" in item) this.#begin(item.open);
    else if ("gap" in item) {
      this.#keep(item.gap.position);
      this.#tell("gap", item.gap);
    } else if ("end" in item) {
      this.#keep(item.end.position);
      this.#end(item.end.retryMs);
    } else if ("error" in item) this.#refused(item.error);
  }

  #begin({ states, position, heartbeatMs }) {
    this.#openedAt = performance.now();
    this.#heartbeatMs = heartbeatMs;
    // And this is what Firefox says. Chromium says nothing: there, the silence must do.
    this.#frame.contentDocument?.addEventListener("readystatechange", () => this.#cut(), this.#frameEnds);
    this.#keep(position);
    this.#tell("open", states);
    this.#tell("state", "live");
  }

  #end(retryMs) {
    this.#comeBack(retryMs);
    // A page whose connection is only replaced need not hear of it.
    if (retryMs !== 0) this.#tell("state", retryMs === null ? "ended" : "reconnecting");
  }

  #refused({ status, detail }) {
    if (status >= 500) this.#cut();
    else {
      console.error(detail);
      this.#end(null);
    }
  }

  #cut() {
    if (this.#away) return;
    const good = performance.now() - this.#openedAt > GOOD_MS;
    this.#failures = good ? 0 : this.#failures + 1;
    this.#comeBack(pauseMs(this.#failures));
    this.#tell("state", "reconnecting");
  }

  /** Not at once: an iframe is not to be taken away by a script that runs in it. */
  #comeBack(afterMs) {
    clearTimeout(this.#timer);
    this.#away = true;
    if (afterMs !== null) this.#timer = setTimeout(() => this.open(), afterMs);
  }

  #expect(withinMs) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#cut(), withinMs);
  }

  #keep(position) {
    for (const part of position.split(",")) this.#positions.set(part.split("=", 1)[0], part);
  }

  /** What a page makes of one message is not to cost it the next. */
  #tell(what, ...told) {
    try {
      this.#on[what]?.(...told);
    } catch (error) {
      reportError(error);
    }
  }
}

/** Shows a state of `foreverIframe` in an element. */
export function showState(element) {
  return (state) => {
    if (element.dataset.state === state) return;
    element.dataset.state = state;
    element.textContent = state;
  };
}
