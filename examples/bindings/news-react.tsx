import { useComet } from "comet-sockets/react";
import type { ReactNode } from "react";

export function News(): ReactNode {
  const { history, state, error } = useComet<{ message: { title: string } }>("/live?topic=news");
  return (
    <section>
      <p>{error ? error.detail : state}</p>
      <ul>
        {history.map(({ data, lastEventId }) => (
          <li key={lastEventId}>{data.title}</li>
        ))}
      </ul>
    </section>
  );
}
