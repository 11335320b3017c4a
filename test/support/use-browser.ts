import { afterAll, beforeAll } from "vitest";
import { launchBrowser, type Browser, type BrowserName, type Page } from "./browsers/browser.ts";

export const browserNames: readonly BrowserName[] = ["chromium", "firefox", "webkit"];

/** A browser for the tests of this `describe`, with one page. */
export function useBrowser(name: BrowserName): { readonly page: Page; readonly browser: Browser } {
  const used = {} as { page: Page; browser: Browser };
  beforeAll(async () => {
    used.browser = await launchBrowser(name);
    used.page = await used.browser.newPage();
  });
  afterAll(() => used.browser.close());
  return used;
}
