/** The codes of Node for a certificate that one side does not accept. Another attempt would fail too. */
const rejected = /CERT|SELF_SIGNED|UNABLE_TO_(?:GET_ISSUER|VERIFY)|UNKNOWN_CA/;

/** Whether a connection failed since one side does not accept the other's certificate. Clients wrap such errors in their own. */
export function isCertificateError(error: unknown): boolean {
  for (let each = error, depth = 0; each instanceof Error && depth < 4; each = each.cause, depth += 1) {
    const { code } = each as Error & { readonly code?: unknown };
    if (typeof code === "string" && rejected.test(code)) return true;
  }
  return false;
}
