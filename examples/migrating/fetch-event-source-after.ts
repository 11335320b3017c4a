import { EventStreamError, fetchEvents } from "comet-sockets/client";

/** Asks a language model, and shows each piece of its answer. */
export async function ask(question: string, show: (piece: string) => void, signal: AbortSignal): Promise<void> {
  const headers = { "content-type": "application/json" };
  const request = { method: "POST", headers, body: JSON.stringify({ question }), signal };
  try {
    for await (const { data } of fetchEvents("/answers", request)) if (data !== "[DONE]") show(data);
  } catch (error) {
    throw error instanceof EventStreamError && error.response ? new Error(error.response.body) : error;
  }
}
