import { randomUUID } from "node:crypto";
import express from "express";
import session from "express-session";
import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";

const hub = new Hub();
const app = express();
const secret = process.env.SESSION_SECRET ?? randomUUID();
app.use(session({ secret, resave: false, saveUninitialized: false, cookie: { sameSite: "lax" } }));
app.use(express.urlencoded());

const loginForm = `<!doctype html>
<form method="post" action="/login"><input name="user" maxlength="40" required> <button>Sign in</button></form>`;
const page = `<!doctype html>
<form method="post" action="/messages"><input name="to" required> <input name="text" required> <button>Send</button></form>
<form method="post" action="/logout"><button>Sign out</button></form>
<ul id="messages"></ul>
<script>
  new EventSource("/live?from=oldest").onmessage = ({ data }) => {
    const item = document.createElement("li");
    item.textContent = data;
    messages.prepend(item);
  };
</script>`;

app.get("/", (request, response) => response.send(request.session.user === undefined ? loginForm : page));
app.post("/login", (request, response, next) => {
  // Check a password here.
  request.session.regenerate((error) => {
    if (error) next(error);
    else {
      request.session.user = request.body.user;
      response.redirect("/");
    }
  });
});

const signedIn = ({ session }, response, next) => (session.user === undefined ? response.sendStatus(401) : next());
app.post("/logout", signedIn, (request, response, next) => {
  const { user } = request.session;
  request.session.destroy((error) => {
    if (error) next(error);
    else {
      for (const one of hub.subscriptions()) if (one.identity === user) one.close("unauthorized");
      response.redirect("/");
    }
  });
});
app.post("/messages", signedIn, async ({ session, body }, response) => {
  await hub.topic(`user:${body.to}`).publish(`${session.user}: ${body.text}`);
  response.redirect("/");
});
const live = nodeHandler(hub, ({ session: { user } }) => ({ identity: user, topics: [`user:${user}`] }));
app.get("/live", signedIn, live);

const port = process.env.PORT ?? 4000;
app.listen(port, () => console.log(`http://localhost:${port}`));
