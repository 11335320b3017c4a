import { connection } from "next/server";
import { publishNews } from "./actions.js";
import { News } from "./news.js";

export default async function Page() {
  await connection(); // Rendered for each request, since the policy's nonce is new each time.
  return (
    <main>
      <News />
      <form action={publishNews}>
        <button id="action">Publish</button>
      </form>
    </main>
  );
}
