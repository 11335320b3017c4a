import { TimeChart } from "./chart.js";
import { follow } from "./connection.js";

/** How far the charts' right edge lags behind the present: a sample within this delay scrolls in without a jump. */
const DELAY_MS = 1000;
/** The period that the charts show and the server retains. */
const WINDOW_MS = 60_000;
const GIB = 2 ** 30;
/** The text on how messages arrive, by wire. */
const ways = {
  ndjson:
    "One HTTP response that does not end: twice a second it brings a line of JSON, which this page reads by fetch.",
  sse: "One HTTP response that does not end: twice a second it brings an event, which an EventSource hands to this page.",
  comet:
    "One HTTP response that does not end, in a hidden iframe: twice a second it brings a comment, which a script there gives to this page.",
  poll: "One HTTP response after the other: each ends with the readings that are new, and this page asks for the next.",
};

const element = (id) => document.getElementById(id);
const setText = (id, text) => (element(id).textContent = text);
const dark = matchMedia("(prefers-color-scheme: dark)");
const still = matchMedia("(prefers-reduced-motion: reduce)");

const average = ({ cores }) => cores.reduce((sum, busy) => sum + busy, 0) / Math.max(cores.length, 1);
/** By oklch, in which all hues look equally bright. */
const hue = (degrees) => (alpha) => `oklch(${dark.matches ? "0.76 0.13" : "0.6 0.17"} ${degrees} / ${alpha})`;

let samples = [];
let charts = [];
let coreFigures = [];
/** The offset of the server's clock from `performance.now()`, by the samples with the least delay. */
let ahead;
let received = 0;
let missing = "";
let named = false;
let showing = false;

/** A server that does not know this page's position may be another machine, with another clock. */
function begin({ states: { machine }, wire }) {
  setText("how", ways[wire]);
  if (named && machine === "recovered") return;
  if (machine !== "recovered") ahead = undefined;
  named = true;
  nameMachine().catch(() => (named = false));
}

async function nameMachine() {
  const response = await fetch("/machine/about");
  if (!response.ok) throw new Error(response.statusText);
  const { host, model, cores } = await response.json();
  setText("host", host);
  setText("model", `${cores} ${cores === 1 ? "core" : "cores"} · ${model}`);
}

/** The lines of the charts have a gap there, too. */
function tellGap({ missed }) {
  // What came before the last minute is not meant for a page that has just been opened.
  if (received === 0) return;
  missing = missed === null ? "The server was restarted." : `${missed} before these were missed.`;
}

function add(sample) {
  received += 1;
  const arrival = performance.now();
  ahead = Math.max((ahead ?? -Infinity) - 1, sample.at - arrival);
  samples.push(sample);
  // The last minute arrives all at once, and is drawn once.
  if (!showing) queueMicrotask(show);
  showing = true;
}

function build(count) {
  const hues = Array.from({ length: count }, (_, i) => 230 + (125 * i) / Math.max(count - 1, 1));
  const busy = (i) => (sample) => sample.cores[i] ?? 0;
  const hundred = () => 100;
  const chart = (box, maximum, ...series) => ({ chart: new TimeChart(box, WINDOW_MS, series), maximum });
  const tiles = hues.map((_, i) => coreTile(i));
  const thin = count > 16 ? { width: 1, line: 0.5 } : { width: 1.75 };
  charts = [
    chart(element("cpu-chart"), hundred, { value: average, color: hue(262), area: 0.35 }),
    chart(element("memory-chart"), ({ totalBytes }) => totalBytes, {
      value: ({ usedBytes }) => usedBytes,
      color: hue(305),
      area: 0.35,
    }),
    chart(element("load-chart"), highestLoad, { value: ({ load }) => load[0], color: hue(185), area: 0.35 }),
    chart(
      element("overview"),
      hundred,
      ...hues.map((degrees, i) => ({ value: busy(i), color: hue(degrees), ...thin, area: 0.4 / count })),
    ),
    ...tiles.map(({ box }, i) => chart(box, hundred, { value: busy(i), color: hue(hues[i]), area: 0.3 })),
  ];
  coreFigures = tiles.map(({ figure }) => figure);
  element("cores").replaceChildren(...tiles.map(({ tile }) => tile));
}

function coreTile(i) {
  const tile = element("core").content.firstElementChild.cloneNode(true);
  tile.querySelector("h3").textContent = `core ${i}`;
  return { tile, figure: tile.querySelector("b"), box: tile.querySelector(".chart") };
}

/** The load that fills the chart: one for each core, or more if there was more. */
function highestLoad({ cores }) {
  return Math.max(cores.length, ...samples.map(({ load }) => load[0])) * 1.1;
}

function show() {
  showing = false;
  const sample = samples.at(-1);
  const edge = still.matches ? sample.at : performance.now() + ahead - DELAY_MS;
  samples = samples.filter(({ at }) => at > edge - 1.1 * WINDOW_MS);
  if (document.hidden) return;
  const { cores, usedBytes, totalBytes, load } = sample;
  if (coreFigures.length !== cores.length) build(cores.length);
  setText("cpu", average(sample).toFixed(0));
  setText("used", (usedBytes / GIB).toFixed(1));
  setText("total", (totalBytes / GIB).toFixed(1));
  ["load1", "load5", "load15"].forEach((id, i) => setText(id, load[i].toFixed(2)));
  coreFigures.forEach((figure, i) => (figure.textContent = cores[i].toFixed(0)));
  setText("received", `${received.toLocaleString("en")} messages so far. ${missing}`);
  for (const { chart, maximum } of charts) chart.draw(samples, edge, maximum(sample));
}

const source = follow("/live?topic=machine&from=oldest");
source.onopen = begin;
source.onmessage = ({ data }) => add(data);
source.ongap = tellGap;
