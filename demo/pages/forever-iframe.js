/** Without a message for so long, the stream is taken for dead: most cuts give a page no other sign. */
const SILENCE_MS = 3000;
/** An iframe keeps every script that ran in it. After so many it is replaced, and its memory is free. */
const MAX_SCRIPTS = 10_000;

/**
 * Keeps a comet socket open in a hidden iframe, and opens it anew when it falls silent. The server's callback is
 * `parent.cometMessage`. `onState` is told "connecting", "live" or "reconnecting".
 */
export function foreverIframe(src, { onMessage, onState }) {
  let frame;
  let timer;
  let scripts;

  window.cometMessage = (message) => {
    expectMore();
    onState("live");
    // A copy is an object of this page, and does not keep the frame that it came from alive.
    onMessage(structuredClone(message));
    scripts += 1;
    if (scripts === MAX_SCRIPTS) setTimeout(open);
  };

  function open() {
    close();
    scripts = 0;
    frame = document.createElement("iframe");
    frame.hidden = true;
    frame.src = src;
    document.body.append(frame);
    expectMore();
  }

  function close() {
    clearTimeout(timer);
    frame?.remove();
  }

  function expectMore() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      onState("reconnecting");
      open();
    }, SILENCE_MS);
  }

  onState("connecting");
  // An iframe that is there before `load` would hold it up for ever, and the tab would seem to be loading.
  if (document.readyState === "complete") open();
  else addEventListener("load", () => setTimeout(open));
  // A page with an open stream is not kept for the back button; WebKit keeps it, with the stream silently dead.
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => {
    if (event.persisted) open();
  });
}

/** Shows a state of `foreverIframe` in an element. */
export function showState(element) {
  return (state) => {
    if (element.dataset.state === state) return;
    element.dataset.state = state;
    element.textContent = state;
  };
}
