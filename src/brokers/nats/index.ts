import type { Broker } from "../../log/broker.ts";
import { NatsBroker } from "./broker.ts";
import { checkOptions, type NatsBrokerOptions } from "./options.ts";

export type { NatsBrokerOptions } from "./options.ts";

/**
 * A broker for one hub: the messages of all topics are in a stream of NATS JetStream, nats-server 2.9 or newer, which is made if there is none.
 *
 * ```ts
 * const hub = new Hub({ broker: await natsBroker({ connection: { servers: "nats.example.com", token } }) });
 * ```
 *
 * @throws {CometError} `ERR_OPTION`; `ERR_BROKER` if the server cannot be reached, or does not answer within `timeoutMs`;
 *   `ERR_BROKER_CONFIG` if it does not let this hub in, has no JetStream, does not permit what a hub needs, or has a stream of
 *   that name that is not this hub's.
 */
export async function natsBroker(options: NatsBrokerOptions = {}): Promise<Broker> {
  return await NatsBroker.start(checkOptions(options));
}
