/** What imports may not do beside crossing the layers, which `eslint.config.js` holds. @type {import("dependency-cruiser").IConfiguration} */
export default {
  forbidden: [
    { name: "no-circular", severity: "error", from: {}, to: { circular: true } },
    { name: "not-to-unresolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
    {
      name: "no-runtime-dependencies",
      comment: "The package has none: all that src/ may import is itself and Node.",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/(?:client/react\\.ts$|brokers/nats/)" },
      to: { pathNot: "^src/", dependencyTypesNot: ["core"] },
    },
    {
      name: "only-react",
      comment: "The hook is for those who have React; it needs nothing else.",
      severity: "error",
      from: { path: "^src/client/react\\.ts$" },
      to: { pathNot: "^src/|node_modules/(?:@types/)?react/" },
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
  },
};
