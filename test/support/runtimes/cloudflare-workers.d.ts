/** The part of the module of Workers that the tests use. */
declare module "cloudflare:workers" {
  export const DurableObject: abstract new (state: unknown, env: unknown) => object;
}
