import { follow } from "./connection.js";

const DAY_MS = 86_400_000;
const element = (id) => document.getElementById(id);
const time = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: "UTC" });
const date = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeZone: "UTC" });

/** Angles count from the first day's midnight, so that no hand runs back when it passes twelve. */
let midnight;

function show({ epochMs, timeZone, utcOffsetMinutes }) {
  const local = epochMs + utcOffsetMinutes * 60_000;
  midnight ??= local - (local % DAY_MS);
  const seconds = Math.round((local - midnight) / 1000);
  turn("second", seconds / 60);
  turn("minute", seconds / 3600);
  turn("hour", seconds / 43_200);
  element("hands").removeAttribute("visibility");
  element("time").textContent = time.format(local);
  element("date").textContent = `${date.format(local)}, ${timeZone}`;
  element("difference").textContent = difference(Date.now() - epochMs);
}

function turn(hand, turns) {
  element(hand).style.transform = `rotate(${turns * 360}deg)`;
}

function difference(ms) {
  if (Math.abs(ms) < 1000) return `arrived ${Math.max(ms, 0)} ms later by the clock of this device`;
  return `${(Math.abs(ms) / 1000).toFixed(1)} s ${ms > 0 ? "behind" : "ahead of"} the clock of this device`;
}

follow("/live?topic=clock&from=oldest").onmessage = ({ data }) => show(data);
