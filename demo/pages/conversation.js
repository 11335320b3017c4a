/** The maximum number of lines; older ones are removed. */
const MAX_LINES = 500;

const time = new Intl.DateTimeFormat("en-GB", { timeStyle: "short" });

/** The lines of a chat: messages, each once, notes, and last the pending messages. */
export class Conversation {
  #messages;
  #sending;
  #isOwn;
  /** The lines of received and pending messages, by their ids. */
  #shown = new Map();
  #pending = new Map();

  constructor(messages, sending, isOwn) {
    this.#messages = messages;
    this.#sending = sending;
    this.#isOwn = isOwn;
  }

  /** Adds a received message. */
  add({ name, text, at }, messageId) {
    if (messageId !== undefined) {
      this.drop(messageId);
      // A message posted twice, before and after a server restart, has two positions.
      if (this.#shown.has(messageId)) return;
    }
    const stamp = document.createElement("time");
    stamp.dateTime = new Date(at).toISOString();
    stamp.textContent = time.format(at);
    const line = messageLine(name, stamp, text, this.#isOwn(messageId));
    if (messageId !== undefined) this.#shown.set(messageId, line);
    line.dataset.id = messageId ?? "";
    this.#append(line);
  }

  /** Adds a note about the conversation. */
  note(text) {
    const line = document.createElement("li");
    line.className = "note";
    line.textContent = text;
    this.#append(line);
  }

  /** Adds a pending message of this page. */
  send({ name, text, messageId }) {
    const status = document.createElement("span");
    status.textContent = "sending";
    const line = messageLine(name, status, text, true);
    this.#pending.set(messageId, { line, status, sent: false });
    this.#sending.append(line);
  }

  /** Marks a message as accepted by the server, which will deliver it. */
  sent(messageId) {
    const pending = this.#pending.get(messageId);
    if (pending === undefined) return;
    pending.sent = true;
    pending.status.textContent = "sent";
  }

  retry(messageId) {
    const pending = this.#pending.get(messageId);
    if (pending !== undefined) pending.status.textContent = "not sent yet, trying again";
  }

  /** Removes a message that is no longer pending. */
  drop(messageId) {
    this.#pending.get(messageId)?.line.remove();
    this.#pending.delete(messageId);
  }

  /** Drops the accepted messages after a gap, which may cover them. */
  dropSent() {
    for (const [messageId, { sent }] of this.#pending) if (sent) this.drop(messageId);
  }

  #append(line) {
    this.#messages.append(line);
    if (this.#messages.childElementCount <= MAX_LINES) return;
    const oldest = this.#messages.firstElementChild;
    this.#shown.delete(oldest.dataset.id);
    oldest.remove();
  }
}

function messageLine(name, beside, text, own) {
  const line = document.createElement("li");
  line.className = own ? "message own" : "message";
  const by = document.createElement("p");
  by.className = "by";
  const who = document.createElement("bdi");
  who.textContent = name;
  who.style.setProperty("--hue", String(hueOf(name)));
  by.append(who, " ", beside);
  const words = document.createElement("p");
  words.className = "text";
  words.dir = "auto";
  words.textContent = text;
  line.append(by, words);
  return line;
}

/** The same colour for the same name on every page; similar names have different colours. */
function hueOf(name) {
  let hash = 0;
  for (const character of name) hash = (31 * hash + character.codePointAt(0)) % 360;
  return (137 * hash) % 360;
}
