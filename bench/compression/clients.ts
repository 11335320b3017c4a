/**
 * The clients of one server, a process of its own: it opens as many as each line of its standard input asks for, and reads what
 * they are sent. It prints the number of open ones.
 */
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";

/** Clients to open. */
export interface Opening {
  readonly port: number;
  readonly count: number;
  /** Whether each follows a topic of its own. */
  readonly perTopic: boolean;
  /** Their parameters besides topic and wire, such as `&from=oldest`. */
  readonly query: string;
  readonly acceptEncoding: string;
}

/** How many are opened at a time: the queue of connections that a server has not taken is short. */
const AT_ONCE = 50;

let opened = 0;

function open({ port, perTopic, query, acceptEncoding }: Opening): Promise<Socket> {
  opened += 1;
  const topic = perTopic ? `bench${opened}` : "bench";
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", reject);
    socket.write(
      `GET /?topic=${topic}&wire=sse${query} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: ${acceptEncoding}\r\n\r\n`,
    );
    socket.on("data", () => resolve(socket));
  });
}

async function openAll(opening: Opening): Promise<void> {
  for (let left = opening.count; left > 0; left -= AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, left) }, () => open(opening)));
  }
}

createInterface({ input: process.stdin }).on("line", (line) => {
  void openAll(JSON.parse(line) as Opening).then(() => console.log(opened));
});
