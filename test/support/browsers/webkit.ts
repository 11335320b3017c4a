import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { systemPath } from "../system-packages.ts";
import type { Browser, ConsoleEntry, Page } from "./browser.ts";
import { asJson, consoleLevel, describe, fromJson, pageSize, patienceMs, within, type RemoteObject } from "./common.ts";
import { ProcessScope } from "./process-scope.ts";
import { attach, evaluate, type Inspected } from "./webkit-inspector.ts";
import { freePort } from "../free-port.ts";

// WebKitGTK's small browser, driven by the protocol of WebKit's remote inspector. WebKitWebDriver would do too, but it
// has no console: it runs in an ephemeral session, in which WebKit writes no messages to stdout either.

/** @see https://github.com/WebKit/WebKit/tree/main/Source/JavaScriptCore/inspector/protocol */
interface ConsoleMessage {
  readonly source: string;
  readonly level: string;
  readonly text: string;
  /** Seconds since the epoch. */
  readonly timestamp: number;
  readonly repeatCount?: number;
  readonly parameters?: readonly RemoteObject[];
}

const environment = {
  GDK_BACKEND: "x11",
  LIBGL_ALWAYS_SOFTWARE: "1",
  NO_AT_BRIDGE: "1",
  WEBKIT_DISABLE_COMPOSITING_MODE: "1",
  WEBKIT_DISABLE_DMABUF_RENDERER: "1",
};

export async function launchWebKit(): Promise<Browser> {
  const command = systemPath("MiniBrowser");
  const screen = systemPath("Xvfb");
  const scope = new ProcessScope("webkit");
  try {
    const xvfb = scope.start(screen, ["-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]);
    const [, display = ""] = await xvfb.waitFor(/^(\d+)\n/m);
    // Should somebody else take this port first, no page of ours is listed there.
    const inspector = `127.0.0.1:${await freePort()}`;
    const env = { ...environment, DISPLAY: `:${display}` };
    const blanks = scope.folder("blanks");
    const first = await blankAddress(blanks);
    const child = scope.start(command, ["--ignore-tls-errors", first], {
      ...env,
      WEBKIT_INSPECTOR_HTTP_SERVER: inspector,
    });
    const [control, version] = await Promise.all([
      child.until(attach(inspector, first), "opened a page to the inspector"),
      readVersion(command, { ...env, HOME: scope.directory }),
    ]);
    const close = async () => {
      control.disconnect();
      await scope.close();
    };
    const newPage = () => openPage(inspector, control, blanks);
    return { name: "webkit", version, newPage, suspend: () => scope.suspend(), close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await scope.close();
    throw error;
  }
}

async function openPage(inspector: string, control: Inspected, blanks: string): Promise<Page> {
  const address = await blankAddress(blanks);
  const features = `noopener,width=${pageSize.width},height=${pageSize.height}`;
  await control.send("Runtime.evaluate", {
    expression: `void window.open(${JSON.stringify(address)}, "_blank", ${JSON.stringify(features)})`,
    emulateUserGesture: true,
  });
  const page = await attach(inspector, address);

  const entries: ConsoleEntry[] = [];
  let last: ConsoleEntry | undefined;
  page.listen(({ method, params }) => {
    if (method === "Console.messageAdded") {
      const { message } = params as { message: ConsoleMessage };
      const own = message.source === "console-api" || message.source === "javascript";
      last = own ? consoleEntry(message) : undefined;
      if (last) entries.push(last);
    } else if (method === "Console.messageRepeatCountUpdated" && last) {
      // The same message once more: WebKit sends the count in its stead.
      const { timestamp } = params as { timestamp: number };
      entries.push({ ...last, at: timestamp * 1000 });
    }
  });

  const close = async () => {
    const closed = page.send("Runtime.evaluate", { expression: "window.close()" });
    // It is no error if the page, or its browser, has gone already. A page that has crashed answers nothing.
    await within(1000, "It does not close.", closed).catch(() => undefined);
    page.disconnect();
  };
  return {
    console: entries,
    goto: (url) => within(patienceMs, `${url} has not begun`, navigate(page, url)),
    async evaluate<T>(expression: string) {
      const json = await evaluate(page, asJson(expression));
      return fromJson(json as string | undefined) as T;
    },
    async screenshot(path) {
      const view = { x: 0, y: 0, ...pageSize, coordinateSystem: "Viewport" };
      const { dataURL } = (await page.send("Page.snapshotRect", view)) as { dataURL: string };
      await writeFile(path, dataURL.replace(/^[^,]*,/, ""), "base64");
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** No event says that a navigation has failed: the frame starts to load, and stops without another document. */
async function navigate(page: Inspected, url: string): Promise<void> {
  let unlisten: () => void = () => undefined;
  const begun = new Promise<void>((resolve, reject) => {
    let started = false;
    unlisten = page.listen(({ method, params }) => {
      const { frameId, frame } = params as { frameId?: string; frame?: { id: string } };
      // Before its start, what is committed is still the document before, in a process that the page has just taken.
      const committed = started && method === "Page.frameNavigated" && frame?.id === page.mainFrame();
      if (committed || method === "Target.didCommitProvisionalTarget") resolve();
      else if (method === "Target.targetDestroyed") reject(new Error(`${url}: the navigation failed`));
      else if (frameId !== page.mainFrame()) return;
      else if (method === "Page.frameStartedLoading") started = true;
      else if (method === "Page.frameStoppedLoading" && started) reject(new Error(`${url}: the navigation failed`));
    });
  });
  try {
    // The reply does not come from a process that the navigation leaves.
    await Promise.race([begun, page.send("Page.navigate", { url }).then(() => begun)]);
  } finally {
    unlisten();
  }
}

function consoleEntry({ source, level, text, parameters = [], timestamp }: ConsoleMessage): ConsoleEntry {
  const words = source === "console-api" && parameters.length > 0 ? parameters.map(describe).join(" ") : text;
  return { level: consoleLevel(level), text: words, at: timestamp * 1000 };
}

/**
 * The address of a blank file, by which the inspector's list shows a page as ours. It is no `about:blank`, as a window
 * shows one before it loads another, and by their addresses they do not differ.
 */
async function blankAddress(folder: string): Promise<string> {
  const path = join(folder, `${randomUUID()}.html`);
  await writeFile(path, "<!doctype html><title>blank</title>");
  return pathToFileURL(path).href;
}

async function readVersion(command: string, env: Readonly<Record<string, string>>): Promise<string> {
  const { stdout } = await promisify(execFile)(command, ["--version"], { env: { ...process.env, ...env } });
  return stdout.trim().replace(/^.* /, "");
}
