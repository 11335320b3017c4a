import { EventStreamContentType, fetchEventSource } from "@microsoft/fetch-event-source";

/** Asks a language model, and shows each piece of its answer. */
export async function ask(question: string, show: (piece: string) => void, signal: AbortSignal): Promise<void> {
  await fetchEventSource("/answers", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ question }),
    signal,
    // Otherwise the question is asked again whenever the page was hidden.
    openWhenHidden: true,
    async onopen(response) {
      if (!response.headers.get("content-type")?.startsWith(EventStreamContentType))
        throw new Error(await response.text());
    },
    onmessage({ data }) {
      if (data !== "[DONE]") show(data);
    },
    onerror(error) {
      // Otherwise the question is asked again every second.
      throw error;
    },
  });
}
