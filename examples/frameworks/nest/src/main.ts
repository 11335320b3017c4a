import "reflect-metadata";
import { NestFactory } from "@nestjs/core";
import type { NestExpressApplication } from "@nestjs/platform-express";
import compression from "compression";
import session from "express-session";
import helmet from "helmet";
import { AppModule } from "./app.module.js";

const app = await NestFactory.create<NestExpressApplication>(AppModule);
app.enableCors({
  origin: ["https://app.example.com"],
  credentials: true,
  allowedHeaders: ["authorization", "last-event-id"],
});
// helmet's policy is for pages. The hub gives its documents a policy of their own.
app.use(helmet(), compression());
app.use(session({ secret: process.env["SECRET"] ?? "only to try out", resave: false, saveUninitialized: false }));
app.useStaticAssets("public");
app.useStaticAssets("node_modules/comet-sockets/dist");
// On SIGTERM Nest asks CometModule to end the streams, closes the server, and ends the process with code 0.
app.enableShutdownHooks([], { useProcessExit: true });
await app.listen(process.env["PORT"] ?? 4000);
