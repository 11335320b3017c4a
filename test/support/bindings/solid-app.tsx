/** @jsxImportSource solid-js */
import { createMemo, For, Show, type Accessor, type JSX } from "solid-js";
import { useComet, type CometState } from "../../../src/client/bindings/solid.ts";
import { optionsOf, priceText, textOf, type Follow, type Followed } from "./records.ts";

interface Props {
  readonly name: string;
  readonly follow: Follow;
}

function Follower(props: Props): JSX.Element {
  const signals = useComet(() => props.follow.url, optionsOf(props.name, props.follow));
  const state = (): CometState =>
    Object.fromEntries(
      Object.entries(signals).map(([name, get]) => [name, (get as Accessor<unknown>)()]),
    ) as object as CometState;
  return (
    <div>
      <p id={props.name}>{textOf(props.name, state())}</p>
      <Show when={signals.message()}>
        <b>data</b>
      </Show>
    </div>
  );
}

function Price(props: Props): JSX.Element {
  const { data } = useComet<{ message: { price: number } }>(() => props.follow.url, {
    backoffMs: 20,
    maxBackoffMs: 100,
  });
  const price = createMemo(() => data()?.price);
  return <p id={props.name}>{priceText(props.name, price())}</p>;
}

const none: Follow = { url: null };

export function App(props: { readonly followed: Followed }): JSX.Element {
  return (
    <For each={Object.keys(props.followed)}>
      {(name) => {
        const follow = (): Follow => props.followed[name] ?? none;
        return (
          <Show when={follow().isPrice} fallback={<Follower name={name} follow={follow()} />}>
            <Price name={name} follow={follow()} />
          </Show>
        );
      }}
    </For>
  );
}
