const { body } = document;
const source = new Comet.CometSource("/live?topic=news");
source.onopen = () => (body.dataset.state = "open");
source.onmessage = ({ data }) => {
  document.querySelector("#news").append(Object.assign(document.createElement("li"), { textContent: data }));
};
source.onerror = ({ code }) => (body.dataset.error = code);

// The same without the client: an iframe, which calls a function of the page.
globalThis.cometMessage = (text) => (document.querySelector("#frame").textContent = text);
const frame = Object.assign(document.createElement("iframe"), { src: "/live?topic=news&from=oldest", hidden: true });
body.append(frame);
