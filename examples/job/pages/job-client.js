import * as rows from "./job-rows.js";

let source;

rows.begin(() => {
  source?.close();
  source = new Comet.CometSource(rows.streamAddress(), { maxBackoffMs: 3000 });
  source.onopen = ({ wire }) => rows.showConnection(`live over ${wire}`);
  source.onmessage = ({ data }) => rows.showProgress(data);
  source.onended = rows.showEnd;
  source.onmissing = ({ topic }) => rows.showLost(topic.slice("job:".length));
  source.onerror = ({ detail, retryMs, status }) => {
    if (retryMs !== null) rows.showConnection("reconnecting");
    // The hub knows none of the topics.
    else if (status === 404 || status === 410) rows.running().forEach(rows.showLost);
    else console.error(detail);
  };
  // All topics have ended or are missing, so the source does not reconnect.
  source.onclose = ({ outcome }) => rows.showConnection(`closed: ${outcome}`);
});
