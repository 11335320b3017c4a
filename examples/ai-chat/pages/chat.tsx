import { useChat } from "@ai-sdk/react";
import type { UIMessage } from "ai";
import { CometChatTransport } from "comet-sockets/ai/client";
import { useState, type SubmitEvent } from "react";
import { createRoot } from "react-dom/client";

// The last part of the page's path.
const id = decodeURIComponent(location.pathname.split("/").at(-1) ?? "");
const transport = new CometChatTransport();

function Chat({ saved }: { readonly saved: UIMessage[] }) {
  const { messages, sendMessage, status, error } = useChat({ id, messages: saved, transport, resume: true });
  const [question, setQuestion] = useState("Do I lose this answer when I reload the page?");
  const isBusy = status === "submitted" || status === "streaming";
  const ask = (event: SubmitEvent) => {
    event.preventDefault();
    void sendMessage({ text: question });
    setQuestion("");
  };
  return (
    <>
      <div role="log" aria-label="Conversation">
        {messages.map((message) => (
          <article key={message.id} data-role={message.role}>
            {message.parts.map((part) => (part.type === "text" ? part.text : ""))}
          </article>
        ))}
        {error && <p role="alert">{error.message}</p>}
      </div>
      <form onSubmit={ask}>
        <input
          aria-label="Question"
          placeholder="Ask a question"
          value={question}
          onChange={(event) => setQuestion(event.target.value)}
          required
        />
        {isBusy ? (
          <button type="button" onClick={() => void transport.stop(id)}>
            Stop
          </button>
        ) : (
          <button>Ask</button>
        )}
        <output id="status" data-status={status}>
          {status}
        </output>
      </form>
    </>
  );
}

const response = await fetch(`/api/chat/${encodeURIComponent(id)}`);
const saved = response.ok ? ((await response.json()) as UIMessage[]) : [];
createRoot(document.getElementById("chat") as HTMLElement).render(<Chat saved={saved} />);
