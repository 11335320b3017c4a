import { controlObject, messageObject, type Format } from "./format.ts";

/** One JSON object a line. */
export const ndjsonFormat: Format = {
  key: "ndjson",
  wire: "ndjson",
  contentType: "application/x-ndjson",
  frameKey: "ndjson",
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

/** The same objects in one JSON array a request. */
export const pollFormat: Format = {
  key: "poll",
  wire: "poll",
  contentType: "application/json",
  frameKey: "poll",
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
