import SockJS from "sockjs-client";

/** A chat. */
export interface Chat {
  readonly say: (text: string) => Promise<void>;
  readonly leave: () => void;
}

/** Joins the chat, and shows what is said. Resolves once the page is connected. */
export async function join(show: (text: string) => void): Promise<Chat> {
  const socket = new SockJS("/chat");
  socket.onmessage = ({ data }) => show((JSON.parse(data as string) as { text: string }).text);
  await new Promise<unknown>((resolve) => (socket.onopen = resolve));
  return {
    say: (text) => {
      socket.send(text);
      return Promise.resolve();
    },
    leave: () => socket.close(),
  };
}
