import { controlObject, messageObject, type Format } from "./format.ts";

/** The format of ndjson: one JSON object a line. PROTOCOL.md, section 5, fixes the bytes. */
export const ndjsonFormat: Format = {
  key: "ndjson",
  wire: "ndjson",
  contentType: "application/x-ndjson",
  frameKey: "ndjson",
  wrapper: undefined,
  endedWrapper: undefined,
  idsNameAllTopics: false,
  isChunked: false,
  head: "",
  before: "",
  after: "",
  heartbeat: "\n",
  message: (message) => `${messageObject(message)}\n`,
  control: (name, item) => `${controlObject(name, item)}\n`,
  end: (item) => `${controlObject("end", item)}\n`,
};

/** The format of poll: the objects of ndjson in one JSON array a request. PROTOCOL.md, section 5, fixes the bytes. */
export const pollFormat: Format = {
  key: "poll",
  wire: "poll",
  contentType: "application/json",
  frameKey: "poll",
  wrapper: undefined,
  endedWrapper: undefined,
  idsNameAllTopics: false,
  isChunked: false,
  head: "[",
  before: "",
  after: "",
  heartbeat: "",
  message: (message) => `${messageObject(message)},\n`,
  control: (name, item) => `${controlObject(name, item)},\n`,
  end: (item) => `${controlObject("end", item)}]\n`,
};
