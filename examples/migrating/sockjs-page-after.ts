import { CometSource } from "comet-sockets/client";

/** A chat. */
export interface Chat {
  readonly say: (text: string) => Promise<void>;
  readonly leave: () => void;
}

/** Joins the chat, and shows what is said. Resolves once the page is connected. */
export async function join(show: (text: string) => void): Promise<Chat> {
  const source = new CometSource<{ message: { text: string } }>("/chat");
  source.onmessage = ({ data }) => show(data.text);
  await new Promise<unknown>((resolve) => (source.onopen = resolve));
  return {
    say: async (text) => {
      const headers = { "content-type": "application/json" };
      const { ok, status } = await fetch("/chat", { method: "POST", headers, body: JSON.stringify({ text }) });
      if (!ok) throw new Error(`The server answered ${status}.`);
    },
    leave: () => source.close(),
  };
}
