import { useChat } from "@ai-sdk/react";
import type { UIMessage } from "ai";
import { CometChatTransport } from "comet-sockets/ai/client";
import { useState, type SubmitEvent } from "react";
import { createRoot } from "react-dom/client";

const id = decodeURIComponent(location.pathname.slice("/chat/".length));
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
      {messages.map((message) => (
        <article key={message.id} data-role={message.role}>
          {message.parts.map((part) => (part.type === "text" ? part.text : ""))}
        </article>
      ))}
      {error && <p role="alert">{error.message}</p>}
      <form onSubmit={ask}>
        <input aria-label="Question" value={question} onChange={(event) => setQuestion(event.target.value)} required />
        {isBusy ? (
          <button type="button" onClick={() => void transport.stop(id)}>
            Stop
          </button>
        ) : (
          <button>Ask</button>
        )}
      </form>
      <p id="status">{status}</p>
    </>
  );
}

const response = await fetch(`/api/chat/${encodeURIComponent(id)}`);
const saved = response.ok ? ((await response.json()) as UIMessage[]) : [];
createRoot(document.getElementById("chat") as HTMLElement).render(<Chat saved={saved} />);
