const { CometSource, logTo, logWire } = Comet;
const names = ["ndjson", "sse", "comet", "poll"];
const MAX_CELLS = 150;
const MAX_LINES = 200;
const LATE_MS = 1000;

const element = (id) => document.getElementById(id);
/** The name of this page to the proxy: its faults are those of this page alone. */
const page = crypto.randomUUID();
const counts = { messages: 0, connections: 0, retries: 0, gaps: 0 };
/** What a wire does after each type of entry. A failure has its own text. */
const doings = {
  request: "trying",
  opened: "in use",
  ending: "ended by the server",
  expiring: "being replaced",
  late: "held back on the way",
  closed: "closed by the client",
};
/** The list of what each wire does. */
const rows = new Map(names.map((name) => [name, addRow(name)]));

/** Delays are short, so that a visitor sees what happens. */
const source = new CometSource(`/network/live?topic=ticks&page=${page}`, {
  wires: names.map((name) => logWire(Comet[name], log)),
  backoffMs: 500,
  maxBackoffMs: 3000,
  openTimeoutMs: 1500,
});
logTo(source, log);
show("connecting");
source.onmessage = ({ data: { at } }) => {
  count("messages");
  const delayMs = Math.max(0, Date.now() - at);
  element("delay").textContent = delayMs < LATE_MS ? `${delayMs} ms` : `${(delayMs / 1000).toFixed(1)} s`;
  addCell(delayMs < LATE_MS ? "now" : "late");
  element("position").textContent = source.lastEventId;
};
source.ongap = ({ missed }) => {
  count("gaps");
  addCell("gap", missed === null ? "?" : String(missed));
};
source.onopen = ({ wire }) => show("live", `live over ${wire}`);
source.onerror = () => {
  count("retries");
  show("reconnecting");
};
source.onclose = () => show("ended");

element("cut").onclick = () => fault({ cut: true });
for (const [id, name] of [
  ["stall", "stalled"],
  ["down", "down"],
]) {
  element(id).onclick = ({ currentTarget }) => {
    const isPressed = currentTarget.getAttribute("aria-pressed") !== "true";
    currentTarget.setAttribute("aria-pressed", String(isPressed));
    void fault({ [name]: isPressed });
  };
}
const delays = document.querySelectorAll("[data-delay]");
for (const button of delays) {
  button.onclick = () => {
    for (const other of delays) other.setAttribute("aria-pressed", String(other === button));
    void fault({ delayMs: Number(button.dataset.delay) });
  };
}
// The client keeps in the tab which wires failed here.
element("forget").onclick = () => {
  sessionStorage.clear();
  location.reload();
};

async function fault(change) {
  await fetch("/network/faults", { method: "POST", body: JSON.stringify({ page, ...change }) });
}

/** Shows an entry of the client's log. */
function log(text, { type, at, wire, failure }) {
  if (type === "opened") count("connections");
  if (wire !== undefined) {
    const row = rows.get(wire);
    row.dataset.type = type;
    row.querySelector("span").textContent = doings[type] ?? `${failure.code} ${failure.detail}`;
  }
  const line = document.createElement("li");
  line.dataset.type = type;
  const time = document.createElement("time");
  time.textContent = new Date(at).toLocaleTimeString("en-GB");
  const what = document.createElement("span");
  what.textContent = text;
  line.append(time, what);
  element("log").prepend(line);
  if (element("log").childElementCount > MAX_LINES) element("log").lastElementChild.remove();
}

function addRow(name) {
  const row = document.createElement("li");
  const title = document.createElement("b");
  title.textContent = name;
  const what = document.createElement("span");
  what.textContent = "not tried";
  row.append(title, what);
  element("wires").append(row);
  return row;
}

function addCell(kind, text = "") {
  const cell = document.createElement("li");
  cell.className = kind;
  cell.textContent = text;
  element("strip").append(cell);
  if (element("strip").childElementCount > MAX_CELLS) element("strip").firstElementChild.remove();
}

function count(name) {
  counts[name] += 1;
  element(name).textContent = counts[name].toLocaleString("en");
}

function show(state, text = state) {
  element("state").dataset.state = state;
  element("state").textContent = text;
}
