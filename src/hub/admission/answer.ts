/** A complete answer that opens no stream: a refusal, the head for HEAD, a preflight. An empty body means no body. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
  /** The body, if it is not text. `body` is empty then. */
  readonly bytes?: Uint8Array<ArrayBuffer>;
}
