"use client";

import { CometSource } from "comet-sockets/client";
import { useEffect, useState } from "react";

export function News() {
  const [news, setNews] = useState([]);
  const [inFrame, setInFrame] = useState("");
  useEffect(() => {
    const source = new CometSource("/live?topic=news");
    source.onopen = () => (document.body.dataset.state = "open");
    source.onmessage = ({ data, lastEventId }) => setNews((earlier) => [...earlier, { data, lastEventId }]);
    source.onerror = ({ code }) => (document.body.dataset.error = code);
    // The same without the client: an iframe, which calls a function of the page.
    globalThis.cometMessage = setInFrame;
    const frame = Object.assign(document.createElement("iframe"), {
      src: "/live?topic=news&from=oldest",
      hidden: true,
    });
    document.body.append(frame);
    return () => {
      source.close();
      frame.remove();
    };
  }, []);
  return (
    <>
      <ul id="news">
        {news.map(({ data, lastEventId }) => (
          <li key={lastEventId}>{data}</li>
        ))}
      </ul>
      <output id="frame">{inFrame}</output>
    </>
  );
}
