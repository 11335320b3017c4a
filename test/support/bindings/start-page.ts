import { records, type Followed, type Shown } from "./records.ts";

/** An app that is in the page. */
export interface App {
  /** Shows these components, and no others. */
  readonly update: (followed: Followed) => void;
}

/** How one framework puts its app into an element. */
export interface Framework {
  readonly mount: (target: Element, followed: Followed) => App;
  /** Takes over the HTML that the server has rendered. */
  readonly hydrate: (target: Element, followed: Followed) => App;
}

/** Defines the `page` of test/browser/bindings.test.ts. */
export function startPage({ mount, hydrate }: Framework): void {
  let app: App | undefined;
  const page = {
    records,
    render(followed: Followed): void {
      if (app) app.update(followed);
      else app = mount(document.body.appendChild(document.createElement("main")), followed);
    },
    hydrate: (followed: Followed) => void hydrate(document.getElementById("server") as Element, followed),
    /** The state that a component shows; empty if it is not mounted. */
    shown: (name: string) => JSON.parse(document.getElementById(name)?.textContent ?? "{}") as Partial<Shown>,
  };
  Object.assign(globalThis, { page });
}
