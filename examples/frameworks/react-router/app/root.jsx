import { useContext } from "react";
import { Outlet, Scripts } from "react-router";
import { Nonce } from "./lib/nonce.js";

export default function Root() {
  return (
    <html lang="en">
      <head>
        <meta charSet="utf-8" />
        <title>News</title>
        <link rel="icon" href="data:," />
      </head>
      <body suppressHydrationWarning>
        <Outlet />
        <Scripts nonce={useContext(Nonce)} suppressHydrationWarning />
      </body>
    </html>
  );
}
