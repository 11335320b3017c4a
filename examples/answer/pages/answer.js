const element = (id) => document.getElementById(id);
/** The answer that the page's address names. Without one the page asks for a question. */
const id = new URLSearchParams(location.search).get("id");
if (id === null) ask(crypto.randomUUID());
else read(`/live?topic=answer:${encodeURIComponent(id)}`);

/** Starts an answer, and goes to its page. A question that is sent again, since it got no response, has the same id. */
function ask(id) {
  element("ask").hidden = false;
  element("ask").onsubmit = async (event) => {
    event.preventDefault();
    try {
      await post("/answers", { id, question: element("question").value });
      location.search = `id=${id}`;
    } catch (error) {
      element("problem").textContent = error.message;
    }
  };
}

/** Shows an answer from its first word to its end. */
async function read(url) {
  element("read").hidden = false;
  element("stop").onclick = () => post("/answers/stop", { id }).catch((error) => show("writing", error.message));
  const source = new Comet.CometSource(url);
  source.onopen = () => show("writing");
  source.onerror = ({ retryMs }) => retryMs !== null && show("reconnecting");
  source.ongap = () => element("answer").append(" […] ");
  try {
    for await (const { data } of source) element("answer").append(data);
    show(source.outcome);
  } catch (error) {
    show("failed", `failed: ${error.message}`);
  }
}

function show(state, text = state) {
  element("state").dataset.state = state;
  element("state").textContent = text;
  element("stop").hidden = state !== "writing";
}

async function post(url, body) {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`The server answers ${response.status}.`);
}
