import { patienceMs, within } from "./common.ts";

export interface ProtocolEvent {
  readonly method: string;
  readonly params: unknown;
  /** Chromium's session: which page or frame it is about. */
  readonly sessionId?: string;
}

interface Waiting {
  readonly method: string;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

interface Reply {
  readonly id: number;
  readonly result?: unknown;
  /** An object in Chromium and WebKit; in WebDriver BiDi the code, with the text in `message`. */
  readonly error?: string | { readonly message: string };
  readonly message?: string;
}

/** The caller's half of what all three browsers speak: JSON requests with an id, their replies, and events. */
export class Protocol {
  readonly #write: (text: string) => void;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Set<(event: ProtocolEvent) => void>();
  #lastId = 0;
  #ended: string | undefined;

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  send(method: string, params: object = {}, sessionId?: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(new Error(`${method}: ${this.#ended}`));
        return;
      }
      const id = ++this.#lastId;
      this.#waiting.set(id, { method, resolve, reject });
      this.#write(JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) }));
    });
  }

  /** Calls the listener for each event; what it returns makes it stop. */
  listen(listener: (event: ProtocolEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  receive(text: string): void {
    const message = JSON.parse(text) as Reply | ProtocolEvent;
    if (!("id" in message)) {
      for (const listener of this.#listeners) listener(message);
      return;
    }
    const waiting = this.#waiting.get(message.id);
    if (waiting === undefined) return;
    this.#waiting.delete(message.id);
    const { error } = message;
    if (error === undefined) waiting.resolve(message.result);
    else {
      const reason = typeof error === "string" ? `${error}: ${message.message ?? ""}` : error.message;
      waiting.reject(new Error(`${waiting.method}: ${reason}`));
    }
  }

  /** Fails what waits for a reply, and all that is sent later. */
  end(reason: string): void {
    this.#ended = reason;
    for (const { method, reject } of this.#waiting.values()) reject(new Error(`${method}: ${reason}`));
    this.#waiting.clear();
  }
}

export interface ProtocolSocket {
  readonly protocol: Protocol;
  readonly close: () => void;
}

/** Speaks the protocol over a WebSocket. */
export async function connectProtocol(url: string): Promise<ProtocolSocket> {
  const socket = new WebSocket(url);
  const protocol = new Protocol((text) => socket.send(text));
  const open = new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve();
    socket.onerror = () => reject(new Error(`No WebSocket at ${url}`));
  });
  socket.onmessage = ({ data }) => protocol.receive(data as string);
  socket.onclose = () => protocol.end("the browser has closed the connection");
  await within(patienceMs, `No WebSocket at ${url}`, open);
  const close = () => {
    protocol.end("it has been closed");
    socket.close();
  };
  return { protocol, close };
}
