import type { Broker } from "../../log/broker.ts";
import { checkNatsOptions, type NatsBrokerOptions } from "./nats-broker-options.ts";
import { NatsBroker } from "./nats-broker.ts";

export type { NetworkBrokerOptions } from "../network-broker-options.ts";
export type { NatsBrokerOptions } from "./nats-broker-options.ts";

/**
 * Connects to NATS JetStream, nats-server 2.9 or newer, so that hubs in several processes share their topics. One stream holds the
 * messages of all topics; it is created if it is missing. Later failures reject the calls that they affect; the broker reconnects by
 * itself.
 *
 * @example
 * ```ts
 * import { Hub } from "comet-sockets";
 * import { natsBroker } from "comet-sockets/nats";
 *
 * const hub = new Hub({ broker: await natsBroker({ connection: { servers: "nats.example.com", token } }) });
 * ```
 *
 * @returns A broker for one hub, which closes it.
 * @throws {CometError} `ERR_OPTION`; `ERR_BROKER` if the server cannot be reached within `connectTimeoutMs`, or does not answer within
 *   `timeoutMs`; `ERR_BROKER_CONFIG` if it refuses the client, has no JetStream, denies a permission that a hub needs, or has a stream
 *   of that name with another configuration.
 */
export async function natsBroker(options: NatsBrokerOptions = {}): Promise<Broker> {
  return await NatsBroker.open(checkNatsOptions(options));
}
