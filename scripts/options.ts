/** Writes `docs/options.md`, every option of the package on one page, from its types: `npm run docs:options`. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import ts from "typescript";

/** A type of options, and an expression that takes one. */
type Taker = readonly [type: string, expression: string];

/** The sections of the page: the entry point that exports the types, and the types in their order. */
const sections: readonly (readonly [title: string, source: string, takers: readonly Taker[]])[] = [
  [
    "The hub",
    "src/index.ts",
    [
      ["HubOptions", "new Hub(options)"],
      ["LogBounds", "new Hub({ log: options })"],
      ["PresenceOptions", "new Hub({ presence: options })"],
      ["TopicOptions", "new Hub({ topics: (name) => options })"],
      ["FiniteOptions", "new Hub({ topics: (name) => options })"],
      ["TopicDeclaration", "hub.topic(name, options)"],
      ["RequestOptions", "fetchHandler(hub, options)"],
      ["PublishOptions", "topic.publish(message, options)"],
      ["TransactionPublishOptions", "topic.publish(message, options)"],
      ["EndOptions", "topic.end(options)"],
      ["PublishFromOptions", "topic.publishFrom(source, options)"],
      ["ProduceOptions", "hub.produce(name, produce, options)"],
      ["MessagesOptions", "topic.messages(options)"],
      ["CloseOptions", "hub.close(options)"],
    ],
  ],
  [
    "Node",
    "src/adapters/node/index.ts",
    [
      ["NodeHandlerOptions", "nodeHandler(hub, options)"],
      ["NodeHandlerLimits", "nodeHandler(hub, options, limits)"],
      ["DrainOnSignalOptions", "drainOnSignal(hub, server, options)"],
    ],
  ],
  ["io_uring", "src/adapters/node/uring/index.ts", [["IoUringOptions", "useIoUring(options)"]]],
  ["Fastify", "src/adapters/fastify/index.ts", [["FastifyCometOptions", "await app.register(fastifyComet, options)"]]],
  ["NestJS", "src/adapters/nest/index.ts", [["CometModuleOptions", "CometModule.forRoot(options)"]]],
  [
    "Cloudflare Workers",
    "src/adapters/workers/index.ts",
    [["CometObjectOptions", "cometObject(DurableObject, options)"]],
  ],
  [
    "The client",
    "src/client/index.ts",
    [
      ["CometSourceOptions", "new CometSource(url, options)"],
      ["FollowOptions", "new BareSource(url, options)"],
      ["FetchEventsOptions", "fetchEvents(url, options)"],
      ["BatchOptions", "batches(source, callback, options)"],
    ],
  ],
  [
    "Components",
    "src/client/bindings/react.ts",
    [
      ["UseCometOptions", "useComet(url, options)"],
      ["SelectCometOptions", "useComet(url, options)"],
    ],
  ],
  [
    "Durable Streams",
    "src/surfaces/durable-streams/index.ts",
    [["DurableStreamsOptions", "durableStreams(hub, options)"]],
  ],
  [
    "Answers of language models",
    "src/surfaces/ai/index.ts",
    [
      ["AnswerOptions", "new Answers(hub, options)"],
      ["ResumableStreamContextOptions", "createResumableStreamContext(options)"],
    ],
  ],
  [
    "The transport of the AI SDK",
    "src/client/ai/index.ts",
    [["CometChatTransportOptions", "new CometChatTransport(options)"]],
  ],
  ["SQLite", "src/brokers/sqlite/index.ts", [["SqliteBrokerOptions", "await sqliteBroker(options)"]]],
  ["PostgreSQL", "src/brokers/postgres/index.ts", [["PostgresBrokerOptions", "await postgresBroker(options)"]]],
  [
    "Redis",
    "src/brokers/redis/index.ts",
    [
      ["RedisBrokerOptions", "await redisBroker(options)"],
      ["RedisSentinelOptions", "await redisBroker({ sentinel })"],
    ],
  ],
  ["NATS", "src/brokers/nats/index.ts", [["NatsBrokerOptions", "await natsBroker(options)"]]],
  [
    "Streams",
    "src/index.ts",
    [
      ["CometOptions", "comet(options)"],
      ["ChunkedInit", "chunked(source, options)"],
      ["BoundOptions", "Enumerator.broadcast(options)"],
      ["MapAsyncOptions", "Enumeratee.mapAsync(f, options)"],
      ["GroupedOptions", "Enumeratee.grouped(options)"],
      ["ReadableStreamOptions", "source.toReadableStream(options)"],
    ],
  ],
];

const introduction = `# Options

Every option of every function and class, with its type and its default. An option without a default is off or has no value. Times are in
milliseconds, sizes in bytes. A value out of its range throws a \`CometError\` with the code \`ERR_OPTION\`; only the sources of the client do not
check theirs.

This page is made from the types: \`npm run docs:options\` writes it, and a test fails if it is out of date.
`;

/** The text of the page for the package in `root`. */
export function optionsPage(root: string): string {
  const files = sections.map(([, source]) => join(root, source));
  const program = ts.createProgram([...new Set(files)], compilerOptions(root));
  const page = new Page(
    program.getTypeChecker(),
    new Set(sections.flatMap(([, , takers]) => takers.map(([type]) => type))),
  );
  const parts = sections.map(([title, source, takers]) => {
    const file = program.getSourceFile(join(root, source));
    if (file === undefined) throw new Error(`${source} does not exist.`);
    return `## ${title}\n\n${takers.map((taker) => page.section(file, taker)).join("\n")}`;
  });
  return [introduction, ...parts].join("\n");
}

function compilerOptions(root: string): ts.CompilerOptions {
  const { config } = ts.readConfigFile(join(root, "tsconfig.build.json"), (path) => ts.sys.readFile(path)) as {
    config: unknown;
  };
  return ts.parseJsonConfigFileContent(config, ts.sys, root).options;
}

class Page {
  readonly #checker: ts.TypeChecker;
  /** The types that have a section. */
  readonly #names: ReadonlySet<string>;

  constructor(checker: ts.TypeChecker, names: ReadonlySet<string>) {
    this.#checker = checker;
    this.#names = names;
  }

  /** @throws {Error} if the file does not export the type. */
  section(file: ts.SourceFile, [name, expression]: Taker): string {
    const checker = this.#checker;
    const module = checker.getSymbolAtLocation(file);
    const exported = module && checker.getExportsOfModule(module).find((symbol) => symbol.name === name);
    if (exported === undefined) throw new Error(`${file.fileName} does not export ${name}.`);
    const isAlias = (exported.flags & ts.SymbolFlags.Alias) !== 0;
    const symbol = isAlias ? checker.getAliasedSymbol(exported) : exported;
    // The platform documents its own, such as those of `fetch`.
    const isOurs = (property: ts.Symbol): boolean =>
      property.declarations?.some((declaration) => !declaration.getSourceFile().isDeclarationFile) === true;
    const properties = checker.getDeclaredTypeOfSymbol(symbol).getProperties().filter(isOurs);
    const own: ts.Symbol[] = [];
    const inherited = new Map<string, string[]>();
    for (const property of properties) {
      const owner = ownerOf(property);
      if (owner === name || !this.#names.has(owner)) own.push(property);
      else inherited.set(owner, [...(inherited.get(owner) ?? []), `\`${property.name}\``]);
    }
    // A type without optional members is taken as a `Partial`.
    const mayRequire = properties.some((property) => isOptional(property));
    const rows = own.flatMap((property) => this.#rows(property, name, mayRequire, ""));
    const others = [...inherited].map(
      ([owner, names]) => `It also has these of [${owner}](#${owner.toLowerCase()}): ${names.join(", ")}.\n`,
    );
    return [
      `### ${name}\n`,
      `\`${expression}\`. ${plain(symbol.getDocumentationComment(checker))}\n`,
      `| option | type | default | meaning |\n| --- | --- | --- | --- |\n${rows.join("\n")}\n`,
      ...others,
    ].join("\n");
  }

  /** The row of an option, and those of the members of an object without a name, such as `cors.origins`. */
  #rows(property: ts.Symbol, owner: string, mayRequire: boolean, prefix: string): string[] {
    const declaration = property.declarations?.find(ts.isPropertySignature);
    if (declaration?.type === undefined) throw new Error(`${owner}.${prefix}${property.name} has no type of its own.`);
    const name = prefix + property.name;
    const literal = ts.isTypeLiteralNode(declaration.type) ? declaration.type : undefined;
    const cells = [
      `\`${name}\`${mayRequire && !isOptional(property) ? ", required" : ""}`,
      literal === undefined ? this.#typeOf(declaration.type) : "object",
      defaultOf(property),
      firstSentence(plain(property.getDocumentationComment(this.#checker))),
    ];
    const members = literal?.members.flatMap((member) => {
      const symbol = member.name && this.#checker.getSymbolAtLocation(member.name);
      return symbol === undefined ? [] : this.#rows(symbol, owner, mayRequire, `${name}.`);
    });
    return [
      `| ${cells.map((cell) => cell.replace(/(?<!\\)\|/g, "\\|")).join(" | ")} |`.replaceAll("|  |", "| |"),
      ...(members ?? []),
    ];
  }

  /** The type as it is declared, and a link if it has a section. The name of a union of literals is replaced by them. */
  #typeOf(node: ts.TypeNode): string {
    const type = this.#checker.getTypeFromTypeNode(node);
    const isNamedUnion = ts.isTypeReferenceNode(node) && type.isUnion() && type.types.every((one) => one.isLiteral());
    const text = isNamedUnion
      ? type.types.map((one) => this.#checker.typeToString(one)).join(" | ")
      : node.getText().replace(/\s+/g, " ");
    const code = `\`${text}\``;
    const named = [...this.#names].find((name) => new RegExp(`\\b${name}\\b`).test(code));
    return named === undefined ? code : `[${code}](#${named.toLowerCase()})`;
  }
}

const isOptional = (property: ts.Symbol): boolean => (property.flags & ts.SymbolFlags.Optional) !== 0;

/** The interface that declares a property. */
function ownerOf(property: ts.Symbol): string {
  const parent = property.declarations?.[0]?.parent;
  return parent !== undefined && ts.isInterfaceDeclaration(parent) ? parent.name.text : "";
}

/** The text of the tag `@default`: a number for people (`16_777_216` is 16,777,216), another value as code, or a description. */
function defaultOf(property: ts.Symbol): string {
  const tag = property.getJsDocTags().find(({ name }) => name === "default");
  const text = plain(tag?.text);
  if (/^(?:true|false|null|"[^"]*"|\[.*\]|\{.*\}|\w+\.\w+)$/.test(text)) return `\`${text}\``;
  return text.replace(/\b\d[\d_]*\b/g, (digits) => Number(digits.replaceAll("_", "")).toLocaleString("en"));
}

/** The text of a docstring in one line. */
function plain(docstring: readonly ts.SymbolDisplayPart[] | undefined): string {
  const text = (docstring ?? []).map(({ text }) => text).join("");
  return text
    .replace(/\{@link (\w+)\s*\}/g, "`$1`")
    .replace(/\s+/g, " ")
    .trim();
}

/** The first sentence of a text. */
const firstSentence = (text: string): string => /^.*?\.(?= [A-Z`]|$)/.exec(text)?.[0] ?? text;

if (import.meta.main) {
  const root = resolve(import.meta.dirname, "..");
  const path = join(root, "docs/options.md");
  const page = optionsPage(root);
  if (!existsSync(path) || readFileSync(path, "utf8") !== page) writeFileSync(path, page);
}
