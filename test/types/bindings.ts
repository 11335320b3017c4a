/** What must compile, and, below each `@ts-expect-error`, what must not. Checked by `npm run types`; never run. */
import type { Accessor } from "solid-js";
import { ref, type ShallowRef } from "vue";
import { useComet as useReact, type CometState } from "../../src/client/bindings/react.ts";
import { useComet as useSolid } from "../../src/client/bindings/solid.ts";
import { useComet as useSvelte } from "../../src/client/bindings/svelte.ts";
import { useComet as useVue } from "../../src/client/bindings/vue.ts";

interface Events {
  readonly message: { readonly title: string };
  readonly price: number;
}

const state = useReact<Events>("/live");
export const data: { readonly title: string } | number | undefined = state.data;
export const title = (): string =>
  state.message?.type === "price" ? state.message.data.toFixed() : (state.message?.data.title ?? "");
export const titles: string[] = state.history.map((one) => (one.type === "message" ? one.data.title : one.lastEventId));
// @ts-expect-error another type of message
export const other = state.message?.type === "tick";
// @ts-expect-error the data of a price is a number
export const wrong = (): string => (state.message?.type === "price" ? state.message.data : "");

// eslint-disable-next-line @typescript-eslint/no-unsafe-assignment -- as with a source, data are `any` without an events map.
export const untyped: string = useReact("/live").data;
export const price: number | undefined = useReact("/live", {
  select: ({ message }: CometState<Events>) => (message?.type === "price" ? message.data : undefined),
});
export const none: CometState[] = [null, undefined, false as const, new URL("http://a.test")].map((url) =>
  useReact(url),
);
useReact<Events>("/live", { history: 5, onMessage: (message) => message.type === "price" && message.data.toFixed() });
// @ts-expect-error it selects a number
export const notSelected: string = useReact("/live", { select: () => 1 });
// @ts-expect-error a number of messages
useReact("/live", { history: "all" });
// @ts-expect-error only React's has a selector
useVue("/live", { select: () => 1 });

const refs = useVue<Events>(ref<string | null>("/live"));
export const refOfState: Readonly<ShallowRef<CometState["state"]>> = refs.state;
export const ofVue: { readonly title: string } | number | undefined = refs.data.value;
useVue(() => null);
// @ts-expect-error a ref of a number
useVue(ref(1));

const { data: signal, message } = useSolid<Events>(() => "/live");
export const accessor: Accessor<{ readonly title: string } | number | undefined> = signal;
export const ofSolid = (): string | undefined => {
  const newest = message();
  return newest?.type === "message" ? newest.data.title : undefined;
};
useSolid(null);

const svelte = useSvelte<Events>(() => false);
export const ofSvelte: { readonly title: string } | number | undefined = svelte.data;
// @ts-expect-error the state is read only
svelte.state = "open";
