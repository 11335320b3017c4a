import { CometError } from "../../core/errors.ts";
import { textOf } from "./replies.ts";

/** The types of the keys of the publish script, in their order. The channel is not a key. */
const expectedTypes = ["stream", "hash", "none", "string"];

/** The error of a script that met a key of a wrong type. It names the key: another application uses it. */
export async function wrongTypeError(
  send: (key: string, args: string[]) => Promise<unknown>,
  keys: readonly string[],
  cause: unknown,
): Promise<CometError> {
  const found = await Promise.all(keys.map(async (key) => textOf(await send(key, ["TYPE", key]).catch(() => ""))));
  const wrong = found.findIndex((type, i) => type !== "" && type !== "none" && type !== expectedTypes[i]);
  const subject =
    wrong === -1
      ? `One of the keys ${keys.join(", ")}`
      : `The key ${keys[wrong] ?? ""}, which is a ${found[wrong] ?? ""},`;
  const message = `${subject} does not belong to comet-sockets: set another prefix, or delete it.`;
  return new CometError("ERR_BROKER_CONFIG", message, { cause });
}
