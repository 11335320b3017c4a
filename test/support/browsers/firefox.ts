import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { systemPath } from "../system-packages.ts";
import type { Browser, ConsoleEntry, Page } from "./browser.ts";
import { asJson, consoleLevel, fromJson, pageSize, patienceMs, within } from "./common.ts";
import { ProcessScope } from "./process-scope.ts";
import { connectProtocol, type Protocol } from "./protocol.ts";

/** Nothing that asks Mozilla's servers, and nothing that asks the user. */
const preferences = {
  "app.normandy.enabled": false,
  "app.update.enabled": false,
  "browser.newtabpage.enabled": false,
  "browser.safebrowsing.malware.enabled": false,
  "browser.safebrowsing.phishing.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "browser.startup.homepage_override.mstone": "ignore",
  "browser.startup.page": 0,
  "datareporting.policy.dataSubmissionEnabled": false,
  "extensions.update.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "remote.active-protocols": 1,
  "services.settings.server": "data:,",
  "toolkit.telemetry.enabled": false,
};

/** @see https://w3c.github.io/webdriver-bidi/#module-log */
interface LogEntry {
  readonly type: string;
  readonly level: string;
  readonly method?: string;
  readonly text: string | null;
  readonly timestamp: number;
  readonly source: { readonly context?: string };
}

interface Session {
  readonly capabilities: { readonly browserVersion: string };
}

interface NavigationEvent {
  readonly context: string;
  readonly navigation: string | null;
  readonly url: string;
}

const NAVIGATION_FAILED = "browsingContext.navigationFailed";

export async function launchFirefox(): Promise<Browser> {
  const command = systemPath("firefox");
  const scope = new ProcessScope("firefox");
  try {
    const profile = scope.folder("profile");
    const lines = Object.entries(preferences).map(
      ([key, value]) => `user_pref(${JSON.stringify(key)}, ${JSON.stringify(value)});\n`,
    );
    await writeFile(join(profile, "user.js"), lines.join(""));
    const args = ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port=0"];
    const child = scope.start(command, args);
    const [, url = ""] = await child.waitFor(/WebDriver BiDi listening on (ws:\S+)/);
    const { protocol, close } = await connectProtocol(`${url}/session`);
    const capabilities = { alwaysMatch: { acceptInsecureCerts: true } };
    const session = (await protocol.send("session.new", { capabilities })) as Session;
    const contextEvents = ["contextCreated", "navigationCommitted", "fragmentNavigated"];
    const events = ["log.entryAdded", NAVIGATION_FAILED, ...contextEvents.map((event) => `browsingContext.${event}`)];
    await protocol.send("session.subscribe", { events });
    const closeAll = () => {
      close();
      return scope.close();
    };
    return {
      name: "firefox",
      version: session.capabilities.browserVersion,
      newPage: () => openPage(protocol),
      suspend: () => scope.suspend(),
      close: closeAll,
      [Symbol.asyncDispose]: closeAll,
    };
  } catch (error) {
    await scope.close();
    throw error;
  }
}

async function openPage(protocol: Protocol): Promise<Page> {
  // A window, as a tab in the background would be hidden and its timers slow.
  const { context } = (await protocol.send("browsingContext.create", { type: "window" })) as { context: string };
  const entries: ConsoleEntry[] = [];
  const contexts = new Set([context]);
  const unlisten = protocol.listen(({ method, params }) => {
    if (method === "browsingContext.contextCreated") {
      const frame = params as { context: string; parent: string | null };
      if (frame.parent !== null && contexts.has(frame.parent)) contexts.add(frame.context);
    } else if (method === "log.entryAdded") {
      const entry = params as LogEntry;
      if (contexts.has(entry.source.context ?? "")) entries.push(consoleEntry(entry));
    }
  });
  await protocol.send("browsingContext.setViewport", { context, viewport: pageSize });

  const close = async () => {
    unlisten();
    // It is no error if the page, or its browser, has gone already.
    await protocol.send("browsingContext.close", { context }).catch(() => undefined);
  };
  return {
    console: entries,
    goto: (url) => navigate(protocol, context, url),
    async evaluate<T>(expression: string) {
      const options = { expression: asJson(expression), target: { context }, awaitPromise: true };
      const { result, exceptionDetails } = (await protocol.send("script.evaluate", options)) as {
        result?: { value?: string };
        exceptionDetails?: { text: string };
      };
      if (exceptionDetails) throw new Error(exceptionDetails.text);
      return fromJson(result?.value) as T;
    },
    async setOffline(isOffline) {
      const networkConditions = isOffline ? { type: "offline" } : null;
      await protocol.send("emulation.setNetworkConditions", { networkConditions, contexts: [context] });
    },
    async screenshot(path) {
      const { data } = (await protocol.send("browsingContext.captureScreenshot", { context })) as { data: string };
      await writeFile(path, data, "base64");
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/**
 * Resolves when the document has begun. Firefox tells so by the reply, which names the navigation, and by an event, in either order.
 * While the document before is still loading, the reply may never come: so an event with this address is enough.
 */
async function navigate(protocol: Protocol, context: string, url: string): Promise<void> {
  const { href } = new URL(url);
  const outcomes = new Map<string | null, string>();
  let begin: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => (begin = resolve));
  let heard: () => void = () => undefined;
  const unlisten = protocol.listen(({ method, params }) => {
    const event = params as NavigationEvent;
    if (!/^browsingContext\.(navigation|fragment)/.test(method) || event.context !== context) return;
    if (method !== NAVIGATION_FAILED && event.url === href) begin();
    outcomes.set(event.navigation, method);
    heard();
  });
  const answered = async (): Promise<void> => {
    const reply = await protocol.send("browsingContext.navigate", { context, url, wait: "none" });
    const { navigation } = reply as NavigationEvent;
    while (!outcomes.has(navigation)) await new Promise<void>((resolve) => (heard = resolve));
    if (outcomes.get(navigation) === NAVIGATION_FAILED) throw new Error(`${url}: the navigation failed`);
  };
  try {
    await within(patienceMs, `${url} has not begun`, Promise.race([begun, answered()]));
  } finally {
    unlisten();
  }
}

function consoleEntry({ type, level, method, text, timestamp }: LogEntry): ConsoleEntry {
  return { level: consoleLevel(type === "console" ? (method ?? level) : level), text: text ?? "", at: timestamp };
}
