import { createServer } from "node:http";
import { comet, Enumerator, type CometMessage } from "comet-sockets";
import { sendChunked } from "comet-sockets/node";

type Reading = { readonly at: Date; readonly celsius: number };

const readings = Enumerator.of<Reading>({ at: new Date(0), celsius: 21.5 });
// Without an encoder this does not compile: a Date is neither a string nor JSON.
const encoder: CometMessage<Reading> = ({ at, celsius }) => ({ at: at.toISOString(), celsius });

export const server = createServer((_request, response) => {
  void sendChunked(response, readings.through(comet({ callback: "console.log", encoder })));
}).listen(process.env["PORT"] ?? 4000);
