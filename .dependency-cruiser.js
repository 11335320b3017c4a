/** What imports may not do beside crossing the layers, which `eslint.config.js` holds. @type {import("dependency-cruiser").IConfiguration} */
export default {
  forbidden: [
    { name: "no-circular", severity: "error", from: {}, to: { circular: true } },
    { name: "not-to-unresolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
    {
      name: "no-runtime-dependencies",
      comment: "The package has none: all that src/ may import is itself and Node.",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/(?:client/bindings/|brokers/nats/)" },
      to: { pathNot: "^src/", dependencyTypesNot: ["core"] },
    },
    {
      name: "surfaces-apart",
      comment: "Each surface stands on the hub alone, so that an application loads what it uses.",
      severity: "error",
      from: { path: "^src/surfaces/([^/]+)/" },
      to: { path: "^src/surfaces/", pathNot: "^src/surfaces/$1/" },
    },
    {
      name: "only-react",
      comment: "The binding of React imports React, which the application brings, and no other package.",
      severity: "error",
      from: { path: "^src/client/bindings/react\\.ts$" },
      to: { pathNot: "^src/|node_modules/(?:@types/)?react/" },
    },
    {
      name: "only-vue",
      comment: "The binding of Vue imports Vue, which the application brings, and no other package.",
      severity: "error",
      from: { path: "^src/client/bindings/vue\\.ts$" },
      to: { pathNot: "^src/|node_modules/(?:vue|@vue)/" },
    },
    {
      name: "only-svelte",
      comment: "The binding of Svelte imports Svelte, which the application brings, and no other package.",
      severity: "error",
      from: { path: "^src/client/bindings/svelte\\.ts$" },
      to: { pathNot: "^src/|node_modules/svelte/" },
    },
    {
      name: "only-solid",
      comment: "The binding of Solid imports Solid, which the application brings, and no other package.",
      severity: "error",
      from: { path: "^src/client/bindings/solid\\.ts$" },
      to: { pathNot: "^src/|node_modules/solid-js/" },
    },
    {
      name: "store-without-framework",
      comment: "The store that the bindings share knows no framework.",
      severity: "error",
      from: { path: "^src/client/bindings/comet-store\\.ts$" },
      to: { pathNot: "^src/" },
    },
    {
      name: "only-nats",
      comment: "What JetStream needs is in the packages of NATS, which the application brings.",
      severity: "error",
      from: { path: "^src/brokers/nats/" },
      to: { pathNot: "^src/|node_modules/@nats-io/", dependencyTypesNot: ["core"] },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsConfig: { fileName: "tsconfig.build.json" },
    // Imports of types make circles too: for a reader, who follows them.
    tsPreCompilationDeps: true,
    // Of a package that has no main file for a subpath, such as Svelte.
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default", "types"] },
  },
};
