/** The Worker of the contract: each hub is in a Durable Object of its name. */
import { DurableObject } from "cloudflare:workers";
import { cometObject } from "../../../src/adapters/workers/index.ts";
import { Hub, type HubOptions } from "../../../src/index.ts";
import {
  answerOrder,
  chunkedResponse,
  collectGarbage,
  NotedHub,
  notedOptions,
  partsOf,
  quietResponse,
  surfaceOf,
  type Order,
} from "./app.ts";

/** The options of each hub, and all that its hooks were called with. The objects run in this isolate too. */
const created = new Map<string, { options: HubOptions; reasons: string[]; errors: string[] }>();

function entryOf(name: string): { options: HubOptions; reasons: string[]; errors: string[] } {
  const entry = created.get(name) ?? { options: {}, reasons: [], errors: [] };
  created.set(name, entry);
  return entry;
}

interface Storage {
  readonly storage: { readonly sql: { exec(query: string): { toArray(): { n: number }[] } } };
}

/** Every object that was made, by the number of its making. It does not keep an object in memory. */
const instances: WeakRef<object>[] = [];

/** The numbers of the objects whose alarm has run in this process. */
const alarms: number[] = [];

export class Live extends cometObject(DurableObject, {
  hub: (_, name = "") => {
    const { options, reasons, errors } = entryOf(name);
    return notedOptions(options, reasons, errors);
  },
}) {
  readonly #number = instances.push(new WeakRef(this)) - 1;
  readonly #sql: Storage["storage"]["sql"];

  constructor(state: ConstructorParameters<typeof DurableObject>[0], env: unknown) {
    super(state as never, env);
    this.#sql = (state as Storage).storage.sql;
  }

  override alarm(): Promise<void> {
    alarms.push(this.#number);
    return super.alarm();
  }

  override fetch(request: Request): Promise<Response> {
    const { kind, name } = partsOf(request.url);
    switch (kind) {
      case "order": {
        const { reasons, errors } = entryOf(name);
        return answerOrder(request, name, (_, order) => new NotedHub(this.hub, reasons, errors).obey(order));
      }
      case "held": {
        const count = (table: string): number =>
          this.#sql.exec(`SELECT count(*) AS n FROM ${table}`).toArray()[0]?.n ?? 0;
        return Promise.resolve(Response.json({ messages: count("message"), instance: this.#number }));
      }
      case "inside":
        return Promise.resolve(chunkedResponse(name));
      case "taken":
        this.#sql.exec("CREATE TABLE message (id INTEGER)");
        return Promise.resolve(Response.json(null));
      default:
        return surfaceOf(this.hub, request.url)?.fetch(request) ?? super.fetch(request);
    }
  }
}

interface Env {
  readonly LIVE: {
    idFromName(name: string): unknown;
    get(id: unknown): { fetch(request: Request): Promise<Response>; publish: Live["publish"] };
  };
}

/** What `new Hub` says outside of an object. */
function plainHub(): string {
  try {
    new Hub();
    return "works";
  } catch (error) {
    return `${String((error as { code?: string }).code)}: ${(error as Error).message}`;
  }
}

const atStart = plainHub();

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { kind, name } = partsOf(request.url);
    if (kind === "quiet") return quietResponse();
    if (kind === "chunked") return chunkedResponse(name);
    if (kind === "objects") {
      collectGarbage();
      const inMemory = [...instances.keys()].filter((number) => instances[number]?.deref() !== undefined);
      return Response.json({ inMemory, alarms });
    }
    if (kind === "plain") return Response.json([atStart, plainHub()]);
    const object = env.LIVE.get(env.LIVE.idFromName(name));
    if (kind === "publish") return Response.json(await object.publish("t", (await request.json()) as string));
    if (kind === "order") {
      const order = (await request.clone().json()) as Order;
      if (order.op === "create") created.set(name, { options: order.options, reasons: [], errors: [] });
    }
    return object.fetch(request);
  },
};
