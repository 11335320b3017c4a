/** What a hub needs to know of a request. A web-standard `Request` is one. */
export interface HubRequest {
  readonly method: string;
  /** The address, or its path and query. */
  readonly url: string;
  readonly headers: { get(name: string): string | null };
}
