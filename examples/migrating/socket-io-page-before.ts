import { io } from "socket.io-client";

/** A room of a chat. */
export interface Room {
  readonly say: (text: string) => Promise<void>;
  readonly leave: () => void;
}

/** Joins a room, and shows what is said there. Resolves once the page is connected. */
export async function join(room: string, show: (text: string) => void): Promise<Room> {
  const socket = io({ query: { room } });
  socket.on("said", ({ text }: { text: string }) => show(text));
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  return {
    say: (text) => socket.emitWithAck("say", text) as Promise<void>,
    leave: () => void socket.disconnect(),
  };
}
