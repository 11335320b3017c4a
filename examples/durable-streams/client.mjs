import { DurableStream, IdempotentProducer, stream } from "@durable-streams/client";

/** Writes the lines of a job to a stream, and closes it. A line that is sent again after a failure is written once. */
export async function write(url, token, lines) {
  const headers = { authorization: `Bearer ${token}` };
  const job = await DurableStream.create({ url, headers, contentType: "application/json" });
  const producer = new IdempotentProducer(job, "job-1", { autoClaim: true });
  for (const line of lines) producer.append(JSON.stringify({ line }));
  await producer.flush();
  await producer.close();
}

/** Reads a stream from its beginning, and then live until it is closed. */
export async function read(url, onLine) {
  const response = await stream({ url, offset: "-1", live: "sse" });
  for await (const { line } of response.jsonStream()) onLine(line);
}
