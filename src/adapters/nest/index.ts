/**
 * The entry `comet-sockets/nest`: a module of NestJS with a hub.
 *
 * Every name here is public. Other folders import nothing of this one.
 */

export { CometModule, type CometDynamicModule, type CometModuleOptions, type CometProvider } from "./comet-module.ts";
