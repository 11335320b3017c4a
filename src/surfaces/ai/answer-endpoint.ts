import { andThen } from "../../core/promise.ts";
import { isAdmission, type Decision } from "../../hub/admission/decision.ts";
import type { SurfaceStream } from "../../hub/admission/surface-stream.ts";
import type { Endpoint } from "../../hub/endpoint.ts";
import type { HubRequest, RequestOptions } from "../../hub/request-options.ts";
import { respond } from "../../hub/respond.ts";
import type { SurfaceAccess } from "../../hub/surface-access.ts";
import { UI_MESSAGE_HEADERS, uiMessageFormat } from "./ui-message-format.ts";

/** The actions behind the methods of an {@link AnswerEndpoint}. */
export interface AnswerActions {
  /** Starts the answer, unless there is the one of this `Idempotency-Key`. `undefined` where no request starts one. */
  readonly start: ((key: string | null) => Promise<void>) | undefined;
  /** Returns whether there is an answer. */
  readonly exists: () => Promise<boolean>;
  readonly stop: () => Promise<void>;
}

/**
 * The endpoint of the answer of one topic: POST starts it, GET streams it, DELETE stops it for all readers.
 *
 * It reads no body, so that the application may read it before.
 */
export class AnswerEndpoint implements Endpoint {
  readonly #access: SurfaceAccess;
  readonly #topic: string;
  readonly #actions: AnswerActions;

  constructor(access: SurfaceAccess, topic: string, actions: AnswerActions) {
    this.#access = access;
    this.#topic = topic;
    this.#actions = actions;
  }

  readonly fetch = (request: Request, ...platform: readonly unknown[]): Promise<Response> =>
    respond(
      request,
      this._decide(request, () => ({})),
      platform,
    );

  _decide(
    request: HubRequest,
    optionsOf: () => RequestOptions | PromiseLike<RequestOptions>,
  ): Decision | PromiseLike<Decision> {
    const deciding = this.#access.gate.decide(request, optionsOf, this.#streamOf(request));
    return andThen(deciding, (decision) => (isExpired(decision) ? noAnswer() : decision));
  }

  _report(error: unknown): void {
    this.#access.settings.onError(error);
  }

  #streamOf({ method, headers }: HubRequest): SurfaceStream {
    const { start, exists, stop } = this.#actions;
    const act = async (): Promise<boolean> => {
      if (method === "DELETE") {
        await stop();
        return false;
      }
      if (method !== "POST") return exists();
      await start?.(headers.get("idempotency-key"));
      return true;
    };
    return {
      methods: start === undefined ? ["GET", "HEAD", "DELETE"] : ["GET", "HEAD", "POST", "DELETE"],
      topic: this.#topic,
      format: uiMessageFormat,
      headers: UI_MESSAGE_HEADERS,
      needsRoom: method !== "DELETE",
      act,
    };
  }
}

/** Returns whether an answer was there, and is no longer kept. */
function isExpired(decision: Decision): boolean {
  return !isAdmission(decision) && decision.status === 410;
}

function noAnswer(): Decision {
  return { status: 204, headers: new Headers({ "cache-control": "no-store" }), body: "" };
}
