const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>News</title>
    <script src="/client.global.js" defer></script>
    <script src="/page.js" defer></script>
  </head>
  <body>
    <ul id="news"></ul>
    <output id="frame"></output>
  </body>
</html>`;

// The policy of pages. The hub gives its documents a policy of their own.
export default () =>
  new Response(page, {
    headers: { "content-type": "text/html; charset=utf-8", "content-security-policy": "default-src 'self'" },
  });
