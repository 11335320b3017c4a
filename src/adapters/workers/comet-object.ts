import { ObjectBroker } from "../../brokers/sqlite/object-broker.ts";
import type { ObjectStorageLike } from "../../brokers/sqlite/object-database.ts";
import { CometError, describe } from "../../core/errors.ts";
import { assertInteger } from "../../core/options.ts";
import { Hub } from "../../hub/hub.ts";
import type { HubOptions } from "../../hub/hub-options.ts";
import { AddressedRequest, insideObject } from "../../hub/platform.ts";
import type { RequestOptions } from "../../hub/request-options.ts";
import { respond } from "../../hub/respond.ts";
import type { PublishOptions } from "../../hub/topic.ts";
import type { JsonValue } from "../../wire/json.ts";

/** The part of a Durable Object's state that the class uses: the first argument of its constructor. */
export interface DurableObjectStateLike {
  readonly id: { readonly name?: string | undefined };
  readonly storage: ObjectStorageLike;
}

/** The class `DurableObject` of `cloudflare:workers`, or a class of your own that extends it. */
export type DurableObjectClassLike = abstract new (
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the platform's types are the application's.
  ...args: any[]
) => object;

/** Options of {@link cometObject}. */
export interface CometObjectOptions<Env = unknown> {
  /**
   * The options of each object's hub, or a function of the Worker's environment and the object's name. The hub's broker is
   * the object's storage, so `history` says how much of each topic it keeps.
   *
   * @default the defaults of a hub
   */
  readonly hub?: Omit<HubOptions, "broker"> | ((env: Env, name: string | undefined) => Omit<HubOptions, "broker">);
  /** The options of each request, or a function of the request and the environment. @default none */
  readonly request?: RequestOptions | ((request: Request, env: Env) => RequestOptions | PromiseLike<RequestOptions>);
  /**
   * The time in milliseconds for which the epoch and the last offset of a topic outlive its last message, from 1,000 to
   * 2^45. Afterwards a client that resumes gets a `gap`.
   *
   * @default 86_400_000 (a day)
   */
  readonly topicTtlMs?: number;
}

/** The members that {@link cometObject} adds to a Durable Object. */
export interface CometObject {
  /** The object's hub. It is made when it is first used. */
  readonly hub: Hub;
  /** Answers a request, as `hub.fetch` does. */
  fetch(request: Request): Promise<Response>;
  /**
   * Publishes to a topic of this object. Other Workers call it by RPC: `await stub.publish("news", { title })`.
   *
   * @returns Resolves to the topic's position once the object's storage has the message.
   * @throws {CometError} the codes of `topic.publish`. RPC keeps their messages, not their codes.
   */
  publish(topic: string, message: JsonValue, options?: PublishOptions): Promise<string>;
  /** Removes what is too old from the object's storage. A class with an alarm of its own calls `super.alarm()` in it. */
  alarm(): Promise<void>;
}

const TOPIC_TTL_MS = 86_400_000;

/**
 * Returns a class of Durable Objects, each of which has a hub.
 *
 * All clients of an object's topics, and all that is published to them, meet in that one object, wherever the requests
 * come in: the Worker chooses it by a name, such as that of a room. The object keeps its topics in its storage, which must
 * be SQLite, so that clients resume after it was evicted. Without clients it runs no timer, and may be evicted.
 *
 * @param base The class `DurableObject` of `cloudflare:workers`.
 * @param options The options of every object.
 * @returns The class to extend and export. Its name goes into the Worker's configuration.
 * @throws {CometError} `ERR_OPTION` at once for a bad `base` or `topicTtlMs`; for bad options of the hub when an object is
 *   first used.
 * @example
 * ```ts
 * import { DurableObject } from "cloudflare:workers";
 * export class Live extends cometObject(DurableObject) {}
 * export default {
 *   fetch: (request, env) => env.LIVE.get(env.LIVE.idFromName("news")).fetch(request),
 * };
 * ```
 */
export function cometObject<Base extends DurableObjectClassLike, Env = unknown>(
  base: Base,
  { hub: hubOptions = {}, request: requestOptions = {}, topicTtlMs = TOPIC_TTL_MS }: CometObjectOptions<Env> = {},
): new (state: DurableObjectStateLike, env: Env) => InstanceType<Base> & CometObject {
  if (typeof (base as unknown) !== "function") {
    throw new CometError(
      "ERR_OPTION",
      `The base of cometObject must be the class DurableObject, not ${describe(base)}.`,
    );
  }
  assertInteger("topicTtlMs", topicTtlMs, 1000, 2 ** 45);
  const Base = base as unknown as new (state: DurableObjectStateLike, env: Env) => object;
  class HubObject extends Base implements CometObject {
    readonly #state: DurableObjectStateLike;
    readonly #env: Env;
    #broker: ObjectBroker | undefined;
    #hub: Hub | undefined;

    constructor(state: DurableObjectStateLike, env: Env) {
      super(state, env);
      this.#state = state;
      this.#env = env;
    }

    get hub(): Hub {
      if (this.#hub === undefined) {
        const options = typeof hubOptions === "function" ? hubOptions(this.#env, this.#state.id.name) : hubOptions;
        const broker = this.#openBroker();
        this.#hub = insideObject(() => new Hub({ ...options, broker }));
      }
      return this.#hub;
    }

    fetch(request: Request): Promise<Response> {
      const optionsOf = (): RequestOptions | PromiseLike<RequestOptions> =>
        typeof requestOptions === "function" ? requestOptions(request, this.#env) : requestOptions;
      // Cloudflare sets this header, whatever the client sends.
      const view = new AddressedRequest(request, () => request.headers.get("cf-connecting-ip") ?? undefined);
      return respond(request, this.hub._decide(view, optionsOf), []);
    }

    publish(topic: string, message: JsonValue, options: PublishOptions = {}): Promise<string> {
      return this.hub.topic(topic).publish(message, options);
    }

    alarm(): Promise<void> {
      return this.#openBroker().sweep();
    }

    #openBroker(): ObjectBroker {
      this.#broker ??= new ObjectBroker(this.#state.storage, topicTtlMs);
      return this.#broker;
    }
  }
  return HubObject as unknown as new (state: DurableObjectStateLike, env: Env) => InstanceType<Base> & CometObject;
}
