import type { SystemNeedName } from "../system-packages.ts";
import { launchChromium } from "./chromium.ts";
import { launchFirefox } from "./firefox.ts";
import { launchWebKit } from "./webkit.ts";

export type BrowserName = "chromium" | "firefox" | "webkit";

export interface ConsoleEntry {
  readonly level: "log" | "info" | "warn" | "error" | "debug";
  /** The arguments, joined by spaces. Objects read as each browser likes: for an exact comparison log strings. */
  readonly text: string;
  /** Milliseconds since the epoch, by the browser's own clock: when the page logged it. */
  readonly at: number;
}

/** One window with a page in it, 1024 by 768 and visible, so that its timers run at full speed. */
export interface Page extends AsyncDisposable {
  /**
   * Goes to another document, and resolves when the browser has it in place of the one before: with the headers in
   * Chromium, with a first byte in Firefox, with 512 bytes or the end in WebKit. It never waits for `load`: a stream
   * may have none. In WebKit it is no way to a fragment of the same document.
   *
   * @throws when the document cannot be had, or has not begun after 30 s
   */
  goto(url: string): Promise<void>;
  /**
   * The value of a JavaScript expression in the top document, awaited if it is a promise, and passed as JSON. The
   * `await` keyword is none of an expression's.
   * It runs outside the page's content security policy.
   *
   * @throws with the page's message when the expression throws
   */
  evaluate<T>(expression: string): Promise<T>;
  /**
   * What the page and its iframes have written by the `console` methods, and their uncaught errors, from all documents
   * this page has shown; a live array. Errors of the network or of a policy are not in it, nor is what workers write.
   */
  readonly console: readonly ConsoleEntry[];
  /** Takes the page's network away, or returns it. WebKit has no such command. */
  setOffline?(isOffline: boolean): Promise<void>;
  /** Writes a PNG of what is visible. */
  screenshot(path: string): Promise<void>;
  close(): Promise<void>;
}

/** A browser with a fresh profile, which goes when it is closed or when this process ends, however it ends. */
export interface Browser extends AsyncDisposable {
  readonly name: BrowserName;
  readonly version: string;
  /** Opens a further window. Pages of one browser share cookies, storage and connections. */
  newPage(): Promise<Page>;
  /** Stops all its processes, as the sleep of a machine does. Returns a function that lets them continue. */
  suspend(): () => void;
  close(): Promise<void>;
}

/** What each browser needs of the machine: see `ensureSystemPackages`. */
export const browserNeeds: Readonly<Record<BrowserName, readonly SystemNeedName[]>> = {
  chromium: ["chromium", "fonts"],
  firefox: ["firefox", "fonts"],
  webkit: ["MiniBrowser", "Xvfb", "fonts"],
};

/**
 * Starts a browser. Certificates are not checked in it: tests sign their own.
 *
 * @throws with the browser's own output when it does not start
 */
export function launchBrowser(name: BrowserName): Promise<Browser> {
  switch (name) {
    case "chromium":
      return launchChromium();
    case "firefox":
      return launchFirefox();
    case "webkit":
      return launchWebKit();
  }
}
