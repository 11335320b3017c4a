import { computed, defineComponent, h, shallowRef, type App, type Component, type PropType } from "vue";
import { useComet, type CometState } from "../../../src/client/bindings/vue.ts";
import { optionsOf, priceText, textOf, type Follow, type Followed } from "./records.ts";

const props = {
  name: { type: String, required: true },
  follow: { type: Object as PropType<Follow>, required: true },
} as const;

const Follower = defineComponent({
  props,
  setup(props) {
    const refs = useComet(() => props.follow.url, optionsOf(props.name, props.follow));
    const state = (): CometState =>
      Object.fromEntries(Object.entries(refs).map(([name, { value }]) => [name, value])) as object as CometState;
    return () =>
      h("div", [h("p", { id: props.name }, textOf(props.name, state())), refs.message.value ? h("b", "data") : null]);
  },
});

const Price = defineComponent({
  props,
  setup(props) {
    const { data } = useComet<{ message: { price: number } }>(() => props.follow.url, {
      backoffMs: 20,
      maxBackoffMs: 100,
    });
    const price = computed(() => data.value?.price);
    return () => h("p", { id: props.name }, priceText(props.name, price.value));
  },
});

/** Creates the app by `createApp` or `createSSRApp`. */
export function createFollowers(
  create: (root: Component) => App,
  initial: Followed,
): { readonly app: App; readonly update: (next: Followed) => void } {
  const followed = shallowRef(initial);
  const app = create({
    render: () =>
      Object.entries(followed.value).map(([name, follow]) =>
        h(follow.isPrice ? Price : Follower, { key: name, name, follow }),
      ),
  });
  return { app, update: (next) => void (followed.value = next) };
}
