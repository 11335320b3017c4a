import { All, Controller, Inject, Req, Res } from "@nestjs/common";
import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";
import type { Request, Response } from "express";

declare module "express-session" {
  interface SessionData {
    user: string;
  }
}

@Controller("live")
export class LiveController {
  readonly #live: (request: Request, response: Response) => Promise<void>;

  constructor(@Inject(Hub) hub: Hub) {
    this.#live = nodeHandler(hub, ({ session }: Request) => ({ context: session.user }));
  }

  // Without `passthrough`: the hub answers, and not Nest.
  @All()
  live(@Req() request: Request, @Res() response: Response): Promise<void> {
    return this.#live(request, response);
  }
}
