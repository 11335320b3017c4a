import { CometSource } from "comet-sockets/client";

/** A room of a chat. */
export interface Room {
  readonly say: (text: string) => Promise<void>;
  readonly leave: () => void;
}

/** Joins a room, and shows what is said there. Resolves once the page is connected. */
export async function join(room: string, show: (text: string) => void): Promise<Room> {
  const source = new CometSource<{ said: { text: string } }>(`/rooms/${room}/live`);
  source.addEventListener("said", ({ data }) => show(data.text));
  await new Promise<unknown>((resolve) => (source.onopen = resolve));
  return {
    say: async (text) => {
      const headers = { "content-type": "application/json" };
      const body = JSON.stringify({ text });
      const { ok, status } = await fetch(`/rooms/${room}/messages`, { method: "POST", headers, body });
      if (!ok) throw new Error(`The server answered ${status}.`);
    },
    leave: () => source.close(),
  };
}
