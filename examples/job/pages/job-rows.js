/** The rows of a page, by the id of their export. The page's address names the exports, so a reload shows the same. */
const rows = new Map();
const element = (id) => document.getElementById(id);
const format = (number) => number.toLocaleString("en");

/**
 * Shows the exports that the address names, and adds those that the user starts.
 *
 * @param follow Is called whenever an export is added. It follows `streamAddress()`.
 */
export function begin(follow) {
  for (const id of new URLSearchParams(location.search).getAll("id")) add(id);
  for (const button of element("start").querySelectorAll("button")) {
    button.onclick = async () => {
      const response = await fetch(`/exports?kind=${button.value}`, { method: "POST" });
      element("problem").textContent = response.ok ? "" : await response.text();
      if (!response.ok) return;
      add((await response.json()).id);
      follow();
    };
  }
  // A stream that begins before the page is loaded would keep it loading.
  addEventListener("load", () => running().length > 0 && follow());
}

/** The ids of the exports whose end this page does not know. */
export function running() {
  return [...rows.keys()].filter((id) => rows.get(id).dataset.outcome === undefined);
}

/** The address of the stream of all running exports. One stream has them all: a browser has six connections to a server. */
export function streamAddress() {
  return `/live?${new URLSearchParams([["from", "last:1"], ...running().map((id) => ["topic", `job:${id}`])])}`;
}

/** The address of an export: of its file, and to cancel it. */
export function exportAddress(id) {
  return `/exports?${new URLSearchParams({ id })}`;
}

/** Shows a message of a topic. */
export function showProgress({ id, done, total }) {
  const bar = rows.get(id).querySelector("progress");
  bar.max = total;
  bar.value = done;
  setState(id, `${format(done)} of ${format(total)}`);
}

/** Shows the end of a topic. The message of a failed one may be shown: the server has written it for readers. */
export function showEnd({ topic, outcome, message }) {
  const id = topic.slice("job:".length);
  if (outcome === "failed") setState(id, message, outcome);
  else if (outcome === "stopped") setState(id, "cancelled", outcome);
  else setState(id, rows.get(id).querySelector(".state").textContent, outcome);
}

/** Shows that the server does not know an export. Its topics end with its process, as it has no broker. */
export function showLost(id) {
  setState(id, "lost: the server was restarted, or has deleted this export", "lost");
}

export function showConnection(text) {
  element("connection").textContent = text;
}

function setState(id, text, outcome) {
  const row = rows.get(id);
  row.querySelector(".state").textContent = text;
  if (outcome === undefined) return;
  row.dataset.outcome = outcome;
  row.querySelector("button").hidden = true;
  row.querySelector("a").hidden = outcome !== "complete";
}

function add(id) {
  const row = element("row").content.firstElementChild.cloneNode(true);
  row.querySelector("b").textContent = `Export ${id.slice(0, 8)}`;
  row.querySelector("button").onclick = () => fetch(exportAddress(id), { method: "DELETE" });
  row.querySelector("a").href = exportAddress(id);
  rows.set(id, row);
  element("jobs").prepend(row);
  history.replaceState(null, "", `?${new URLSearchParams([...rows.keys()].map((key) => ["id", key]))}`);
  for (const link of document.querySelectorAll("main > p > a")) link.search = location.search;
}
