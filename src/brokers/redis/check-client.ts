import { copyClient, destroy, isClusterClient, type RedisClient, type RedisClusterClient } from "./redis-client.ts";
import { isDenied, movedError, textOf } from "./replies.ts";

/** The session over which the server is asked to close a connection. */
interface CheckingSession {
  within<T>(reply: Promise<T>): Promise<T>;
  send(key: string, args: string[]): Promise<unknown>;
}

/**
 * Checks that a copy of the client notices when its connection breaks: the server closes the connection of a third copy. A client that
 * connects again by itself, as one over sentinels does, may reach a server that lacks acknowledged messages.
 *
 * It is not checked if the user may not run CLIENT ID and CLIENT KILL. The client of a cluster is not: its link notices every move.
 *
 * @throws {CometError} `ERR_BROKER_CONFIG`; and any error of the connection.
 */
export async function checkClient(client: RedisClient | RedisClusterClient, session: CheckingSession): Promise<void> {
  if (isClusterClient(client)) return;
  const copy = copyClient(client);
  const broken = new Promise<"broken">((resolve) => {
    const end = (): void => {
      // At once: a client that is destroyed while it reconnects may have a connection afterwards.
      destroy(copy);
      resolve("broken");
    };
    copy.on("error", end);
    copy.on("end", end);
  });
  try {
    const hasMoved = session.within(afterKill(copy, session).then((isKilled) => isKilled && isAnswering(copy, broken)));
    if (await hasMoved) throw movedError();
  } catch (error) {
    if (!isDenied(error)) throw error;
  } finally {
    destroy(copy);
  }
}

/** Connects, and has the server close the connection. Resolves to whether it has. */
async function afterKill(copy: RedisClient, session: CheckingSession): Promise<boolean> {
  await copy.connect();
  const id = textOf(await copy.sendCommand(["CLIENT", "ID"]));
  return textOf(await session.send("", ["CLIENT", "KILL", "ID", id])) === "1";
}

/** Whether a copy answers although its connection is broken, before it has emitted an event. */
async function isAnswering(copy: RedisClient, broken: Promise<"broken">): Promise<boolean> {
  const answer = copy.sendCommand(["CLIENT", "ID"]).then(
    () => "answered",
    () => "broken",
  );
  return (await Promise.race([broken, answer])) === "answered";
}
