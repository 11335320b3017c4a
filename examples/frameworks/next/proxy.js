import { NextResponse } from "next/server";

/** Gives each page a policy with a nonce. Next puts the nonce on its scripts. */
export function proxy(request) {
  const nonce = btoa(crypto.randomUUID());
  const development = process.env.NODE_ENV === "development" ? " 'unsafe-eval'" : "";
  const policy = `default-src 'self'; script-src 'self' 'nonce-${nonce}' 'strict-dynamic'${development}; style-src 'self' 'unsafe-inline'`;
  const headers = new Headers(request.headers);
  headers.set("content-security-policy", policy);
  const response = NextResponse.next({ request: { headers } });
  response.headers.set("content-security-policy", policy);
  return response;
}

// Pages alone: the hub gives its documents a policy of their own.
export const config = { matcher: ["/"] };
