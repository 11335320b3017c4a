import { follow } from "./connection.js";
import { Conversation } from "./conversation.js";
import { Outbox } from "./outbox.js";
import { stickToBottom } from "./stick-to-bottom.js";

/** Screen readers skip the history: messages that arrive within this time after the start count as history. */
const HISTORY_MS = 500;

const element = (id) => document.getElementById(id);
const [name, text, newer, problem] = ["name", "text", "newer", "problem"].map(element);

/** The prefix of this tab's message ids, which persists over reloads. */
const tab = remembered("sessionStorage", "tab", () => randomText());
name.value = remembered("localStorage", "name", () => `Guest ${100 + Math.floor(900 * Math.random())}`);

const conversation = new Conversation(element("messages"), element("sending"), (id) => id?.startsWith(tab) === true);
const bottom = stickToBottom(element("scroll"), () => (newer.hidden = true));

const outbox = new Outbox("/chat/messages", {
  sent: ({ messageId }) => conversation.sent(messageId),
  retry: ({ messageId }) => conversation.retry(messageId),
  refused({ messageId, text: words }, detail) {
    conversation.drop(messageId);
    problem.textContent = `“${words}” was not sent: ${detail}`;
  },
});

element("form").addEventListener("submit", (event) => {
  event.preventDefault();
  problem.textContent = "";
  const message = { messageId: `${tab}-${randomText()}`, name: name.value.trim(), text: text.value.trim() };
  if (message.name === "" || message.text === "") return;
  remember("localStorage", "name", message.name);
  text.value = "";
  conversation.send(message);
  outbox.send(message);
  bottom.go();
});

newer.addEventListener("click", () => bottom.go());

const source = follow("/live?topic=chat&from=oldest");
source.onopen = () => setTimeout(() => element("log").removeAttribute("aria-busy"), HISTORY_MS);
source.onmessage = ({ data, messageId }) => {
  conversation.add(data, messageId);
  newer.hidden = bottom.sticks;
};
source.ongap = ({ missed }) => {
  conversation.note(gapText(missed));
  conversation.dropSent();
};

function gapText(missed) {
  if (missed === null) return "The server was restarted; messages may be missing.";
  return missed === 1 ? "One message is missing here." : `${missed} messages are missing here.`;
}

const command = element("command");
command.value = `curl -N "${location.origin}/live?topic=chat"`;
element("copy").addEventListener("click", async () => {
  command.select();
  try {
    await navigator.clipboard.writeText(command.value);
    element("copy").textContent = "Copied";
  } catch {
    // It is selected: the keyboard can copy it.
  }
});

function randomText() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (number) => number.toString(36)).join("");
}

/** The stored value, or a new one, which is then stored. Browsers can forbid a page to store anything. */
function remembered(storage, key, create) {
  try {
    return window[storage].getItem(key) ?? remember(storage, key, create());
  } catch {
    return create();
  }
}

function remember(storage, key, value) {
  try {
    window[storage].setItem(key, value);
  } catch {
    // Then it is forgotten.
  }
  return value;
}
