import type { IncomingMessage, ServerResponse } from "node:http";
import { CometError, type Hub, type TopicOptions } from "comet-sockets";
import { tokens } from "../examples/answer/model.ts";
import { isLine, jsonObject, lineProblem } from "./chat.ts";
import { file, post, sendJson, sendProblem, type Answer, type Route } from "./replies.ts";
import { readBody } from "./request-body.ts";
import { isSameOrigin } from "./same-origin.ts";

const HOUR_MS = 3_600_000;
const MAX_QUESTION_LENGTH = 200;
/** More than the longest question with every character escaped. */
const MAX_BODY_BYTES = 4096;

/** Starts or stops the answer with an id. @returns the problem with the request, or `undefined`. */
type Act = (topic: string, body: Record<string, unknown>) => string | undefined;

/** The options of a topic if it is an answer's: it is kept for an hour after its end. */
export function answerTopic(name: string): TopicOptions | false {
  return /^answer:[\da-f-]{36}$/.test(name) && { finite: true, ttlMs: HOUR_MS };
}

/** The page of `examples/answer`, and the requests that start and stop an answer. */
export function answerRoutes(hub: Hub): readonly [path: string, route: Route][] {
  const part = (name: string): Route => file(new URL(`../examples/answer/pages/${name}`, import.meta.url));
  const start: Act = (topic, { question }) => {
    if (!isLine(question, MAX_QUESTION_LENGTH)) return lineProblem("question", MAX_QUESTION_LENGTH);
    void hub.produce(topic, (signal) => tokens(question.trim(), signal));
    return undefined;
  };
  const stop: Act = (topic) => void hub.stop(topic);
  return [
    ["/answer", part("index.html")],
    ["/answer.css", part("answer.css")],
    ["/answer.js", part("answer.js")],
    ["/answers", post(command(start))],
    ["/answers/stop", post(command(stop))],
  ];
}

function command(act: Act): Answer {
  return (request, response) => {
    // A client that disconnects while it posts cannot receive an error.
    run(act, request, response).catch(() => void response.destroy());
  };
}

async function run(act: Act, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (!isSameOrigin(request)) {
    sendProblem(response, 403, "Only this server's own pages may post.");
    return;
  }
  const text = await readBody(request, MAX_BODY_BYTES);
  if (text === undefined) {
    sendProblem(response, 413, `A request has at most ${MAX_BODY_BYTES} bytes.`);
    return;
  }
  const body = jsonObject(text);
  const topic = `answer:${String(body["id"])}`;
  try {
    const problem = answerTopic(topic) === false ? "id must be a UUID in lower case." : act(topic, body);
    if (problem === undefined) sendJson(response, 202, {});
    else sendProblem(response, 400, problem);
  } catch (error) {
    if (!(error instanceof CometError && error.code === "ERR_CLOSED")) throw error;
    sendProblem(response, 503, "The server is shutting down.");
  }
}
