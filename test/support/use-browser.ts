import { afterAll, beforeAll } from "vitest";
import { launchBrowser, type Browser, type BrowserName, type Page } from "./browsers/browser.ts";

export const browserNames: readonly BrowserName[] = ["chromium", "firefox", "webkit"];

/**
 * The browsers of this process: the files that a worker runs share them. They end with the process. The map is global,
 * since each file evaluates this module anew.
 */
const browsers = ((globalThis as { browsersOfTests?: Map<BrowserName, Promise<Browser>> }).browsersOfTests ??= new Map<
  BrowserName,
  Promise<Browser>
>());

/** Opens a page in the browser of this process. The caller closes it. */
async function openShared(name: BrowserName): Promise<{ readonly page: Page; readonly browser: Browser }> {
  const known = browsers.get(name);
  const launched = known ?? launchBrowser(name);
  browsers.set(name, launched);
  try {
    const browser = await launched;
    return { page: await browser.newPage(), browser };
  } catch (error) {
    browsers.delete(name);
    if (known === undefined) throw error;
    // An earlier test has left it broken.
    await (await known).close();
    return openShared(name);
  }
}

/**
 * Opens a page in a browser that tests share: what a page leaves in its cookies is there in the next file too. A test
 * that may leave the browser broken launches one of its own.
 */
export async function openPage(name: BrowserName): Promise<Page> {
  return (await openShared(name)).page;
}

/** A page for the tests of this `describe`, in a browser that tests share: see {@link openPage}. */
export function useBrowser(name: BrowserName): { readonly page: Page; readonly browser: Browser } {
  const used = {} as { page: Page; browser: Browser };
  beforeAll(async () => {
    Object.assign(used, await openShared(name));
  });
  afterAll(() => used.page.close());
  return used;
}

/** Two pages for the tests of this `describe`, in a browser that tests share: see {@link openPage}. */
export function useTwoPages(name: BrowserName): readonly [Page, Page] {
  const pages: Page[] = [];
  beforeAll(async () => {
    for (let count = 0; count < 2; count += 1) pages.push(await openPage(name));
  });
  afterAll(() => Promise.all(pages.map((page) => page.close())));
  return pages as unknown as readonly [Page, Page];
}
