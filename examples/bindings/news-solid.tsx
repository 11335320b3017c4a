/** @jsxImportSource solid-js */
import { useComet } from "comet-sockets/solid";
import { For, type JSX } from "solid-js";

export function News(): JSX.Element {
  const { history, state, error } = useComet<{ message: { title: string } }>("/live?topic=news");
  return (
    <section>
      <p>{error()?.detail ?? state()}</p>
      <ul>
        <For each={history()}>{({ data }) => <li>{data.title}</li>}</For>
      </ul>
    </section>
  );
}
