import { writeFile } from "node:fs/promises";
import { systemPath } from "../system-packages.ts";
import type { Browser, ConsoleEntry, Page } from "./browser.ts";
import { asJson, consoleLevel, describe, fromJson, pageSize, patienceMs, within, type RemoteObject } from "./common.ts";
import { ProcessScope } from "./process-scope.ts";
import { connectProtocol, type Protocol } from "./protocol.ts";

/** @see https://chromedevtools.github.io/devtools-protocol/ */
interface ExceptionDetails {
  readonly text: string;
  readonly exception?: RemoteObject;
}

const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--ignore-certificate-errors",
  "--remote-debugging-port=0",
];

export async function launchChromium(): Promise<Browser> {
  const command = systemPath("chromium");
  const scope = new ProcessScope("chromium");
  try {
    const child = scope.start(command, [...flags, `--user-data-dir=${scope.folder("profile")}`, "about:blank"]);
    const [, url = ""] = await child.waitFor(/DevTools listening on (ws:\S+)/);
    const { protocol, close } = await connectProtocol(url);
    const { product } = (await protocol.send("Browser.getVersion")) as { product: string };
    const closeAll = () => {
      close();
      return scope.close();
    };
    return {
      name: "chromium",
      version: product.replace(/^.*\//, ""),
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
  const target = { url: "about:blank", newWindow: true, ...pageSize };
  const { targetId } = (await protocol.send("Target.createTarget", target)) as { targetId: string };
  const attached = await protocol.send("Target.attachToTarget", { targetId, flatten: true });
  const { sessionId: page } = attached as { sessionId: string };
  const send = (method: string, params?: object) => protocol.send(method, params, page);

  const entries: ConsoleEntry[] = [];
  const sessions = new Set([page]);
  const unlisten = protocol.listen(({ method, params, sessionId = "" }) => {
    if (!sessions.has(sessionId)) return;
    if (method === "Target.attachedToTarget") {
      const { sessionId: frame, targetInfo } = params as { sessionId: string; targetInfo: { type: string } };
      // A worker waits for a debugger too. Its console is not recorded.
      if (targetInfo.type === "worker") {
        void protocol.send("Runtime.runIfWaitingForDebugger", {}, frame).catch(() => undefined);
        return;
      }
      sessions.add(frame);
      // A frame that goes before it is watched has nothing to tell.
      watchFrame(protocol, frame).catch(() => undefined);
    } else {
      const entry = consoleEntry(method, params);
      if (entry) entries.push(entry);
    }
  });
  await watchFrame(protocol, page);
  await send("Emulation.setDeviceMetricsOverride", { ...pageSize, deviceScaleFactor: 1, mobile: false });

  const close = async () => {
    unlisten();
    // It is no error if the page, or its browser, has gone already.
    await protocol.send("Target.closeTarget", { targetId }).catch(() => undefined);
  };
  return {
    console: entries,
    async goto(url) {
      const reply = await within(patienceMs, `${url} has not begun`, send("Page.navigate", { url }));
      const { errorText } = reply as { errorText?: string };
      if (errorText !== undefined) throw new Error(`${url}: ${errorText}`);
    },
    async evaluate<T>(expression: string) {
      const options = { expression: asJson(expression), awaitPromise: true, returnByValue: true };
      const reply = await send("Runtime.evaluate", options);
      const { result, exceptionDetails } = reply as { result: RemoteObject; exceptionDetails?: ExceptionDetails };
      if (exceptionDetails) throw new Error(thrownText(exceptionDetails));
      return fromJson(result.value as string | undefined) as T;
    },
    async setOffline(offline) {
      await send("Network.enable", {});
      const unlimited = { latency: 0, downloadThroughput: -1, uploadThroughput: -1 };
      await send("Network.emulateNetworkConditions", { offline, ...unlimited });
    },
    async screenshot(path) {
      const { data } = (await send("Page.captureScreenshot", { format: "png" })) as { data: string };
      await writeFile(path, data, "base64");
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Listens to a session, and to the frames below it that have a process, and so a session, of their own. */
async function watchFrame(protocol: Protocol, session: string): Promise<void> {
  const filter = [{ type: "iframe" }, { type: "worker" }];
  const children = { autoAttach: true, waitForDebuggerOnStart: true, flatten: true, filter };
  await Promise.all([
    protocol.send("Target.setAutoAttach", children, session),
    protocol.send("Runtime.enable", {}, session),
    protocol.send("Runtime.runIfWaitingForDebugger", {}, session),
  ]);
}

function consoleEntry(method: string, params: unknown): ConsoleEntry | undefined {
  if (method === "Runtime.consoleAPICalled") {
    const { type, args, timestamp } = params as { type: string; args: RemoteObject[]; timestamp: number };
    return { level: consoleLevel(type), text: args.map(describe).join(" "), at: timestamp };
  }
  if (method === "Runtime.exceptionThrown") {
    const { exceptionDetails, timestamp } = params as { exceptionDetails: ExceptionDetails; timestamp: number };
    return { level: "error", text: `Uncaught ${thrownText(exceptionDetails)}`, at: timestamp };
  }
  return undefined;
}

/** What was thrown, without the stack that Chromium counts as part of an error's description. */
function thrownText({ text, exception }: ExceptionDetails): string {
  return exception ? describe(exception).replace(/\n {4}at [\s\S]*$/, "") : text;
}
