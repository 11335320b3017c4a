/** Makes docs/demo.png, the picture in the README: the demo's chat in Chromium. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createDemo } from "../demo/server.ts";
import { launchBrowser } from "../test/support/browsers/browser.ts";
import { poll } from "../test/support/browsers/common.ts";
import { ensureSystemPackages } from "../test/support/system-packages.ts";

const FILE = "docs/demo.png";
const conversation = [
  ["Ada", "The build is green. I deploy in five minutes."],
  ["Ben", "My train is entering a tunnel. The connection will break."],
  ["Ada", "Deployed. All checks pass."],
  ["Cleo", "I read this over a long poll: my proxy holds streams back."],
  ["Ben", "Out of the tunnel. I have missed nothing."],
];

await ensureSystemPackages(["chromium", "fonts"]);
const demo = createDemo();
await once(demo.server.listen(0, "127.0.0.1"), "listening");
const origin = `http://127.0.0.1:${(demo.server.address() as AddressInfo).port}`;
{
  await using browser = await launchBrowser("chromium");
  const page = await browser.newPage();
  await page.goto(`${origin}/chat`);
  for (const [i, [name, text]] of conversation.entries()) {
    const body = JSON.stringify({ messageId: String(i), name, text });
    const { status } = await fetch(`${origin}/chat/messages`, { method: "POST", body });
    if (status !== 201) throw new Error(`The demo answers ${status}.`);
  }
  const isComplete = `document.querySelectorAll("#messages li").length === ${conversation.length}`;
  await poll(50, "A message is missing", async () => (await page.evaluate<boolean>(isComplete)) || undefined);
  // The picture shows the name of a guest and the port that `npm run demo` uses, not those of this run.
  await page.evaluate(`void (document.getElementById("name").value = "Dev")`);
  await page.evaluate(`void (command.value = command.value.replace(/:\\d+/, ":4000"))`);
  await page.screenshot(FILE);
}
await demo.close();
console.log(FILE);
