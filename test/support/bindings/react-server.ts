import { renderToString } from "react-dom/server";
import { tree } from "./react-app.ts";
import type { Followed, Rendered } from "./records.ts";

export const render = (followed: Followed): Rendered => ({ head: "", body: renderToString(tree(followed)) });
