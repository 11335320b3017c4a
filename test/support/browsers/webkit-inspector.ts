import { describe, patienceMs, poll, within, type RemoteObject } from "./common.ts";
import { connectProtocol, Protocol, type ProtocolEvent } from "./protocol.ts";

/** @see https://github.com/WebKit/WebKit/tree/main/Source/JavaScriptCore/inspector/protocol */
interface Evaluation {
  readonly result: RemoteObject;
  readonly wasThrown?: boolean;
}

interface TargetInfo {
  readonly targetId: string;
  readonly isProvisional?: boolean;
}

/** The parameters of the target events, each of which has some of them. */
interface TargetEvent {
  readonly targetInfo: TargetInfo;
  readonly targetId: string;
  readonly oldTargetId: string;
  readonly newTargetId: string;
  readonly message: string;
}

interface Target {
  readonly protocol: Protocol;
  mainFrame: string;
}

/** A page under inspection. */
export interface Inspected {
  readonly send: (method: string, params?: object) => Promise<unknown>;
  /** Hears the events of the page's processes, and of the change from one to another. */
  readonly listen: (listener: (event: ProtocolEvent) => void) => () => void;
  readonly mainFrame: () => string | undefined;
  readonly disconnect: () => void;
}

/**
 * Finds the page that shows the address, and speaks to it. Its messages travel inside those of a "target": one for each
 * process that the page has lived in, as a navigation to another site takes a new process.
 */
export async function attach(inspector: string, address: string): Promise<Inspected> {
  const path = await findSocket(inspector, address);
  const { protocol: outer, close } = await connectProtocol(`ws://${inspector}${path}`);
  const targets = new Map<string, Target>();
  const listeners = new Set<(event: ProtocolEvent) => void>();
  const tell = (event: ProtocolEvent) => {
    for (const listener of listeners) listener(event);
  };
  let current: Target | undefined;

  const addTarget = async ({ targetId, isProvisional = false }: TargetInfo) => {
    const protocol = new Protocol((message) => {
      outer
        .send("Target.sendMessageToTarget", { targetId, message })
        .catch((error: unknown) => protocol.end(String(error)));
    });
    const target = { protocol, mainFrame: "" };
    targets.set(targetId, target);
    if (!isProvisional) current = target;
    protocol.listen((event) => {
      // A process that may yet become the page's has a say only in the console.
      if (target === current || event.method.startsWith("Console.")) tell(event);
    });
    const requests = ["Page.getResourceTree", "Page.enable", "Runtime.enable", "Console.enable"];
    const [tree] = await Promise.all(requests.map((method) => protocol.send(method)));
    target.mainFrame = (tree as { frameTree: { frame: { id: string } } }).frameTree.frame.id;
  };
  const dropTarget = (targetId: string) => {
    targets.get(targetId)?.protocol.end("the page has gone");
    targets.delete(targetId);
  };
  const ready = new Promise<void>((resolve) => {
    outer.listen(({ method, params }) => {
      const event = params as TargetEvent;
      if (method === "Target.targetCreated") {
        // A target that goes before it answers was of a navigation that came to nothing.
        addTarget(event.targetInfo).then(resolve, () => undefined);
      } else if (method === "Target.dispatchMessageFromTarget") {
        targets.get(event.targetId)?.protocol.receive(event.message);
      } else if (method === "Target.didCommitProvisionalTarget") {
        current = targets.get(event.newTargetId);
        tell({ method, params });
        dropTarget(event.oldTargetId);
      } else if (method === "Target.targetDestroyed" && targets.has(event.targetId)) {
        dropTarget(event.targetId);
        tell({ method, params });
      }
    });
  });
  await within(patienceMs, `No answer from ${address}`, ready);
  const page: Inspected = {
    send: (method, params) => current?.protocol.send(method, params) ?? Promise.reject(new Error("the page has gone")),
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    mainFrame: () => current?.mainFrame,
    disconnect: close,
  };
  await hasArrived(page, address);
  return page;
}

/** The list names a new window's address while it still loads in a process of its own, which a `goto` would disturb. */
function hasArrived(page: Inspected, address: string): Promise<unknown> {
  const expression = "document.readyState === 'complete' && location.href";
  return poll(5, `${address} does not load`, async () => {
    const reply = await page.send("Runtime.evaluate", { expression }).catch(() => undefined);
    return reply !== undefined && resultOf(reply).value === address ? true : undefined;
  });
}

/** The inspector's server lists its pages for people, in HTML: that is the only list there is. */
function findSocket(inspector: string, address: string): Promise<string> {
  const entry = new RegExp(`"targeturl">${address}</div>.*?(/socket/\\d+/\\d+/WebPage)`, "s");
  return poll(20, `No page ${address} at ${inspector}`, async () => {
    const response = await fetch(`http://${inspector}/`).catch(() => undefined);
    return entry.exec((await response?.text()) ?? "")?.[1];
  });
}

/** The value of an expression, or what its promise gives: either is to be a string, or `undefined`. */
export async function evaluate(page: Inspected, expression: string): Promise<unknown> {
  const value = resultOf(await page.send("Runtime.evaluate", { expression }));
  if (value.objectId === undefined) return value.value;
  const promise = { promiseObjectId: value.objectId, returnByValue: true };
  return resultOf(await page.send("Runtime.awaitPromise", promise)).value;
}

function resultOf(reply: unknown): RemoteObject {
  const { result, wasThrown } = reply as Evaluation;
  if (wasThrown === true) throw new Error(describe(result));
  return result;
}
