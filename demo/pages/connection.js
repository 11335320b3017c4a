const wires = ["ndjson", "sse", "comet", "poll"];
/** A demo has few pages, which should reconnect soon after it restarts. */
const MAX_BACKOFF_MS = 3000;

/**
 * Follows an address of the hub by the client that `client.global.js` has put into the page as `Comet`. It goes over the wire
 * that the page's own address names by `?wire=`, or else over the first that delivers. `#state` shows whether there is a
 * connection, and over which wire.
 *
 * @returns The source, a `CometSource`.
 */
export function follow(address) {
  const wanted = new URLSearchParams(location.search).get("wire");
  const chosen = wires.find((wire) => wire === wanted);
  markChoice(chosen);
  const source = new Comet.CometSource(address, {
    maxBackoffMs: MAX_BACKOFF_MS,
    ...(chosen && { wires: [Comet[chosen]] }),
  });
  show("connecting");
  source.addEventListener("open", ({ wire }) => show("live", `live over ${wire}`));
  source.addEventListener("error", ({ detail, retryMs }) => {
    if (retryMs === null) console.error(detail);
    else show("reconnecting");
  });
  source.addEventListener("close", () => show("ended"));
  return source;
}

function show(state, text = state) {
  const element = document.getElementById("state");
  if (element.textContent === text) return;
  element.dataset.state = state;
  element.textContent = text;
}

/** Marks the link to the current wire among the links to each wire. */
function markChoice(chosen) {
  const search = chosen === undefined ? "" : `?wire=${chosen}`;
  for (const link of document.querySelectorAll(".wires a")) {
    if (link.search === search) link.setAttribute("aria-current", "page");
  }
}
