import { Body, Controller, Get, HttpCode, Inject, Post, Session, UseGuards } from "@nestjs/common";
import { Hub, type HubStats } from "comet-sockets";
import type { SessionData } from "express-session";
import { SessionGuard } from "./session.guard.js";

@Controller()
export class AppController {
  readonly #hub: Hub;

  constructor(@Inject(Hub) hub: Hub) {
    this.#hub = hub;
  }

  @Post("login")
  @HttpCode(204)
  login(@Body("user") user: string, @Session() session: SessionData): void {
    session.user = user; // Check a password here.
  }

  @Post("news")
  @HttpCode(204)
  @UseGuards(SessionGuard)
  async news(@Body("text") text: string): Promise<void> {
    await this.#hub.topic("news").publish(text);
  }

  @Get("stats")
  stats(): HubStats {
    return this.#hub.stats();
  }

  @Get("version")
  version(): string {
    return "v1";
  }
}
