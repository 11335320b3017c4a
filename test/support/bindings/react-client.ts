import { createRoot, hydrateRoot } from "react-dom/client";
import { tree } from "./react-app.ts";
import { startPage } from "./start-page.ts";

startPage({
  mount: (target, followed) => {
    const root = createRoot(target);
    root.render(tree(followed));
    return { update: (next) => root.render(tree(next)) };
  },
  hydrate: (target, followed) => {
    const root = hydrateRoot(target, tree(followed));
    return { update: (next) => root.render(tree(next)) };
  },
});
