"use strict";

/** The function that the server's scripts call, in the iframe, as `parent.cometMessage`. */
function cometMessage(event) {
  console.log(`Received event: ${event}`);
  const item = document.createElement("li");
  item.textContent = event;
  document.getElementById("events").append(item);
}
