import { assertFunction, assertInteger, MAX_TIMER_MS } from "../../core/options.ts";
import { Hub } from "../../hub/hub.ts";

/** Options of `CometModule.forRoot`. */
export interface CometModuleOptions {
  /** Creates the hub. It may be async, for a broker. It gets the providers that `inject` names. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as in Nest, only the application knows its providers.
  readonly useFactory: (...providers: any[]) => Hub | Promise<Hub>;
  /** The tokens of the providers that `useFactory` gets. @default [] */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the type of Nest's tokens
  readonly inject?: any[];
  /** The modules that export these providers. @default [] */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the type of Nest's modules
  readonly imports?: any[];
  /** The time over which the shutdown ends the streams, in milliseconds, from 0 to 2,147,483,647. @default 5000 */
  readonly drainMs?: number;
}

/** The dynamic module of {@link CometModule.forRoot}, as Nest takes it. */
export interface CometDynamicModule {
  module: typeof CometModule;
  global: true;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the type of Nest's modules
  imports: any[];
  providers: CometProvider[];
  exports: (typeof Hub)[];
}

/** A provider of the dynamic module, as Nest takes it. */
export interface CometProvider {
  provide: typeof Hub | symbol;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as above
  useFactory: (...providers: any[]) => unknown;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as above
  inject: any[];
}

/**
 * A NestJS module that provides a hub to all modules, and closes it before Nest closes the server.
 *
 * Import `CometModule.forRoot` once, in the application's root module. The hub's token is the class `Hub`. The module
 * closes the hub in `beforeApplicationShutdown`: on `app.close()`, and on signals after `app.enableShutdownHooks()`. Nest
 * then ends the process by the signal, or with code 0 if the option `useProcessExit` is set.
 *
 * The route is a handler of the platform, in a controller of the application, behind its guards: `nodeHandler` on
 * Express, `fastifyHandler` of `comet-sockets/fastify` on Fastify. Inject the response by `@Res()` without `passthrough`,
 * or Nest ends it.
 *
 * @example
 * ```ts
 * @Module({ imports: [CometModule.forRoot({ useFactory: () => new Hub() })], controllers: [LiveController] })
 * class AppModule {}
 *
 * @Controller("live")
 * class LiveController {
 *   readonly #live: ReturnType<typeof nodeHandler>;
 *   constructor(@Inject(Hub) hub: Hub) { this.#live = nodeHandler(hub, (request) => ({ context: request.user })); }
 *   @All() live(@Req() request: Request, @Res() response: Response) { return this.#live(request, response); }
 * }
 * ```
 */
// eslint-disable-next-line @typescript-eslint/no-extraneous-class -- Nest names a module by its class.
export class CometModule {
  /**
   * Returns the module with a hub.
   *
   * @throws {CometError} `ERR_OPTION` for bad options.
   */
  static forRoot({ useFactory, inject = [], imports = [], drainMs = 5000 }: CometModuleOptions): CometDynamicModule {
    assertFunction("useFactory", useFactory);
    assertInteger("drainMs", drainMs, 0, MAX_TIMER_MS);
    const shutdown = (hub: Hub): BeforeShutdown => ({ beforeApplicationShutdown: () => hub.close({ drainMs }) });
    return {
      module: CometModule,
      global: true,
      imports,
      providers: [
        { provide: Hub, useFactory, inject },
        { provide: Symbol("comet-sockets shutdown"), useFactory: shutdown, inject: [Hub] },
      ],
      exports: [Hub],
    };
  }
}

/** Nest calls the hook of every provider that has one. */
interface BeforeShutdown {
  beforeApplicationShutdown(): Promise<void>;
}
