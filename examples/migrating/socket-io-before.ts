import { createServer } from "node:http";
import { Server } from "socket.io";

export const server = createServer().listen(process.env["PORT"] ?? 4000);
const io = new Server(server);

io.on("connection", async (socket) => {
  const room = `room:${String(socket.handshake.query["room"])}`;
  await socket.join(room);
  socket.on("say", (text: string, acknowledge: () => void) => {
    io.to(room).emit("said", { text });
    acknowledge();
  });
});
