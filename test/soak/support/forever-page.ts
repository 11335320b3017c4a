// What the page of the soak "forever" has in it, bundled for the browser: it follows the hub, and checks each number that comes.
import { CometSource, comet, type ClientWire } from "../../../src/client/index.ts";
import { watchTimer, type Late } from "./lateness.ts";

/** After how many events the page tells the server how many it has had. */
const TELL_EVERY = 2000;

export interface Seen {
  /** Events in their order, from 1 on. */
  events: number;
  /** What came instead of the next number, and whatever else was wrong; the first few. */
  readonly wrong: string[];
  /** Errors that the client told of and came back from: frames that were late. */
  readonly silent: string[];
  /** Scripts of managed iframes that brought something. */
  scripts: number;
  readonly late: Late[];
}

const seen: Seen = { events: 0, wrong: [], silent: [], scripts: 0, late: watchTimer() };

function wrong(what: string): void {
  if (seen.wrong.length < 5) seen.wrong.push(what);
}

function had({ n }: { readonly n: number }): void {
  if (n === seen.events + 1) seen.events = n;
  else wrong(`${n} came after ${seen.events}`);
  if (n % TELL_EVERY === 0) tell();
}

/** Tells the server how many events there were. */
function tell(): void {
  fetch("/had", { method: "POST", body: String(seen.events) }).catch((error: unknown) => wrong(String(error)));
}

/** The wire itself; what it gives is counted. */
const counted: ClientWire = {
  ...comet,
  open: (request, events) => {
    const received: typeof events.received = (items) => {
      if (items.some((item) => "data" in item)) seen.scripts += 1;
      events.received(items);
    };
    return comet.open(request, { ...events, received });
  },
};

function followManaged(): void {
  const source = new CometSource<{ message: { n: number } }>("/events?topic=a", { wires: [counted] });
  source.onmessage = ({ data }) => had(data);
  source.ongap = ({ missed }) => wrong(`a gap of ${String(missed)}`);
  source.onerror = ({ code, detail }) => {
    if (code === "ERR_SILENT") seen.silent.push(detail);
    else wrong(`${code}: ${detail}`);
  };
  source.onclose = ({ reason }) => wrong(`closed: ${reason}`);
}

/** As a page does that has no client. */
function followPlain(): void {
  Object.assign(globalThis, { cometMessage: had });
  const frame = document.createElement("iframe");
  frame.hidden = true;
  frame.src = "/events?topic=a&callback=parent.cometMessage";
  document.body.append(frame);
}

Object.assign(globalThis, { forever: { seen, tell, followManaged, followPlain } });
