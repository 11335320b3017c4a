/** The transport of the AI SDK's `useChat` to answers of a hub: the entry point `comet-sockets/ai/client`. */
export {
  CometChatTransport,
  type ChatQuestion,
  type ChatReconnection,
  type CometChatTransportOptions,
} from "./chat-transport.ts";
