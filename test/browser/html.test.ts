import type { ServerResponse } from "node:http";
import { describe, test } from "vitest";
import { html } from "../../src/index.ts";
import { dangerousTemplates } from "../support/dangerous-templates.ts";
import { expectCode } from "../support/sources.ts";
import { serve } from "../support/servers.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";
import { holds } from "../support/client-site.ts";

describe.each(browserNames)("dangerous templates in %s", (name) => {
  const used = useBrowser(name);

  test.each(dangerousTemplates)("refuses $name, which would run code", async ({ parts: [before, after], written }) => {
    const { origin } = await serve((response) => {
      (response as ServerResponse).setHeader("content-type", "text/html; charset=utf-8");
      response.end(`<!doctype html><script>var f = String, parent = window, evil = () => (document.title = "evil")</script>
        <body>${" ".repeat(1024)}${before}${written}${after}`);
    });
    await used.page.goto(origin);
    await holds(used.page, "document.title === 'evil'");
    const template = Object.assign([before, after], { raw: [before, after] });
    await expectCode("ERR_HTML", () => html(template, "x"), /^The template is unsafe near /);
  });
});
