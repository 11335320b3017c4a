/** Whether hubs compress for every client that accepts gzip, unless a test says otherwise: in the project `compressed`. */
export const compressesAll: boolean = process.env["COMPRESSION"] === "all";

/** Returns the `Vary` of a stream: it names `Accept-Encoding` where the hub compresses. */
export function varyOf(fields: string): string {
  return compressesAll ? `${fields}, Accept-Encoding` : fields;
}

/** The line of a raw request's head by which a client accepts gzip, in the project `compressed`. */
export const acceptEncoding: string = compressesAll ? "Accept-Encoding: gzip\r\n" : "";
