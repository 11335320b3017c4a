/** Yields the items of one stream: `open`, messages, `gap`s and `end`. It does not reconnect. */
export async function* read(url: string): AsyncGenerator<{ data?: unknown }> {
  const response = await fetch(url, { headers: { accept: "application/x-ndjson" } });
  if (!response.ok || response.body === null) throw new Error(await response.text());
  let rest = "";
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") yield JSON.parse(line) as { data?: unknown };
  }
}
