import { Chat } from "@ai-sdk/react";
import { DefaultChatTransport, type ChatTransport, type UIMessage } from "ai";
import { onTestFinished } from "vitest";
import { CometChatTransport } from "../../src/client/ai/index.ts";
import { until } from "./sources.ts";

/** The transports that read an answer: the SDK's own, and this package's. */
export const transports: Readonly<Record<string, (origin: string, user?: string) => ChatTransport<UIMessage>>> = {
  DefaultChatTransport: (origin, user) => new DefaultChatTransport(optionsOf(origin, user)),
  CometChatTransport: (origin, user) => new CometChatTransport(optionsOf(origin, user)),
};

function optionsOf(origin: string, user: string | undefined): { api: string; headers: Record<string, string> } {
  return { api: `${origin}/api/chat`, headers: user === undefined ? {} : { "x-user": user } };
}

/** The SDK's chat behind `useChat`, as one tab of a user. */
export class TestChat {
  readonly chat: Chat<UIMessage>;
  readonly errors: Error[] = [];

  constructor(transport: ChatTransport<UIMessage>, id = "1", messages: UIMessage[] = []) {
    this.chat = new Chat({ id, transport, messages, onError: (error) => void this.errors.push(error) });
    onTestFinished(() => void this.chat.stop());
  }

  /** The text of the last answer. */
  get text(): string {
    const { lastMessage } = this.chat;
    if (lastMessage?.role !== "assistant") return "";
    return lastMessage.parts.map((part) => (part.type === "text" ? part.text : "")).join("");
  }

  ask(text: string): Promise<void> {
    return this.chat.sendMessage({ text });
  }

  /** Waits until the last answer has this text. */
  async shows(text: string): Promise<void> {
    await until(() => this.text === text);
  }

  /** Waits until no answer is read any more. */
  async isDone(): Promise<void> {
    await until(() => this.chat.status === "ready" || this.chat.status === "error");
  }
}
