import { createElement, StrictMode, useEffect, type ReactNode } from "react";
import { useComet, type CometState } from "../../../src/client/bindings/react.ts";
import { optionsOf, priceText, textOf, type Follow, type Followed } from "./records.ts";

interface Props {
  readonly name: string;
  readonly follow: Follow;
}

function Follower({ name, follow }: Props): ReactNode {
  const state = useComet(follow.url, optionsOf(name, follow));
  return createElement(
    "div",
    null,
    createElement("p", { id: name }, textOf(name, state)),
    state.message && createElement("b", null, "data"),
  );
}

function Price({ name, follow }: Props): ReactNode {
  const select = ({ data }: CometState<{ message: { price: number } }>): number | undefined => data?.price;
  const price = useComet(follow.url, { backoffMs: 20, maxBackoffMs: 100, select });
  // Strict mode renders twice, and runs an effect once for each rendering after the first.
  useEffect(() => void priceText(name, price));
  return createElement("p", { id: name }, JSON.stringify({ price }));
}

export const tree = (followed: Followed): ReactNode =>
  createElement(
    StrictMode,
    null,
    Object.entries(followed).map(([name, follow]) =>
      createElement(follow.isPrice ? Price : Follower, { key: name, name, follow }),
    ),
  );
