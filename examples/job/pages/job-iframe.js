import * as rows from "./job-rows.js";

const SILENCE_MS = 3000;
let heardAt = 0;

// The scripts that arrive in the iframe call these two functions.
globalThis.cometMessage = (progress) => {
  heardAt = performance.now();
  rows.showConnection("live in an iframe");
  rows.showProgress(progress);
};
globalThis.cometEnded = (end) => {
  rows.showEnd(end);
  if (rows.running().length === 0) rows.showConnection("closed");
};

/**
 * Opens an iframe for the exports that the server knows, in place of the one before. It asks for them first: an iframe
 * reports neither that it was refused nor that its connection broke.
 */
async function follow() {
  heardAt = performance.now();
  try {
    for (const id of rows.running()) {
      const { status } = await fetch(rows.exportAddress(id), { method: "HEAD" });
      if (status === 404) rows.showLost(id);
    }
  } catch {
    rows.showConnection("reconnecting");
    return;
  }
  // A new element: another `src` would be another entry in the history.
  document.querySelector("iframe")?.remove();
  if (rows.running().length === 0) {
    rows.showConnection("closed");
    return;
  }
  const frame = document.createElement("iframe");
  frame.hidden = true;
  frame.title = "The comet socket";
  frame.src = `${rows.streamAddress()}&wire=comet&callback=parent.cometMessage&ended=parent.cometEnded`;
  document.body.append(frame);
}

rows.begin(follow);
setInterval(() => {
  if (rows.running().length > 0 && performance.now() - heardAt > SILENCE_MS) void follow();
}, 1000);
