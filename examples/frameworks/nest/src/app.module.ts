import { Module } from "@nestjs/common";
import { Hub } from "comet-sockets";
import { CometModule } from "comet-sockets/nest";
import { AppController } from "./app.controller.js";
import { LiveController } from "./live.controller.js";

const comet = CometModule.forRoot({
  drainMs: 1000,
  useFactory: () =>
    new Hub({
      authorize: (_request, topics, user) => {
        if (user === undefined) return 401;
        return topics.every((topic) => topic === "news" || topic === `user:${String(user)}`);
      },
    }),
});

@Module({ imports: [comet], controllers: [LiveController, AppController] })
export class AppModule {}
