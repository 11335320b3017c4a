import { afterAll, beforeAll } from "vitest";
import { launchBrowser, type Browser, type BrowserName, type Page } from "./browsers/browser.ts";

export const browserNames: readonly BrowserName[] = ["chromium", "firefox", "webkit"];

/** A browser for the tests of this `describe`, with one page. */
export function useBrowser(name: BrowserName): { readonly page: Page } {
  const used = {} as { page: Page };
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser(name);
    used.page = await browser.newPage();
  });
  afterAll(() => browser.close());
  return used;
}
