import { expect, test } from "vitest";
import { CometError } from "../../src/index.ts";
import { expectCode, turns, until } from "../support/sources.ts";
import { freshTopic, inFlight, useProcesses, wide, publication, type BrokerWorld } from "./contract-world.ts";

/** The end of a broker. */
export function closeContract(open: () => Promise<BrokerWorld>): void {
  const processes = useProcesses(open);

  test("makes no call after close, while others continue", async () => {
    const { a, b } = processes;
    const topic = freshTopic("closed");
    const leaving = await processes.join();
    const [gone, stays] = await Promise.all([leaving.listen(topic), b.listen(topic)]);
    await a.publish(topic, '"both"');
    await until(() => gone.notices.length === 1 && stays.notices.length === 1);
    const publishing = inFlight(300, 20, (i) => a.publish(topic, String(i)));
    await until(() => gone.notices.length > 20);
    // Some messages are in flight, or wait for a turn.
    const [late, closing] = [b.publish(topic, '"late"'), leaving.close()];
    await closing;
    const heard = gone.notices.length;
    a.signal("after close");
    await Promise.all([publishing, late]);
    const last = await a.publish(topic, '"last"');
    await until(() => stays.offsets.at(-1) === last.offset && a.signals.includes("after close"));
    await turns(20);
    expect(gone.notices).toHaveLength(heard);
    expect(leaving.signals).toEqual([]);
    expect(leaving.told).toEqual([]);
    b.unlisten(topic, stays);
  });

  test("rejects calls after close with ERR_CLOSED", async () => {
    const leaving = await processes.join();
    const topic = freshTopic("closed");
    const ear = await leaving.listen(topic);
    const { epoch } = await leaving.publish(topic, "1");
    await leaving.close();
    await expectCode("ERR_CLOSED", () => leaving.publish(topic, "2"));
    await expectCode("ERR_CLOSED", () => leaving.read(topic));
    await expectCode("ERR_CLOSED", () => leaving.listen(freshTopic("never")));
    await expectCode("ERR_CLOSED", () => leaving.renew(topic, epoch));
    leaving.signal("nothing");
    leaving.unlisten(topic, ear);
    await leaving.close();
    expect(await processes.a.readAll(topic)).toMatchObject({ epoch, messages: [{ json: "1" }] });
  });

  test("answers pending calls on close, and loses no acknowledged message", async () => {
    const { a } = processes;
    for (let round = 0; round < 5; round += 1) {
      const leaving = await processes.join();
      const topic = freshTopic("under way");
      const publishing = Array.from({ length: 50 }, (_, i) =>
        leaving.broker.publish(topic, publication(String(i)), wide).then(
          () => "acknowledged" as const,
          (error: unknown) => error,
        ),
      );
      const asking = Promise.allSettled([leaving.read(topic), leaving.listen(topic), leaving.renew(topic, "none")]);
      if (round > 0) await turns(round);
      await leaving.close();
      const outcomes = await Promise.all(publishing);
      await asking;
      const read = new Set((await a.readAll(topic)).messages.map(({ json }) => json));
      for (const [i, outcome] of outcomes.entries()) {
        if (outcome === "acknowledged") expect(read.has(String(i))).toBe(true);
        else {
          expect(outcome).toBeInstanceOf(CometError);
          const { code } = outcome as CometError;
          expect(["ERR_CLOSED", "ERR_BROKER", "ERR_UNACKNOWLEDGED"]).toContain(code);
          if (code !== "ERR_UNACKNOWLEDGED") expect(read.has(String(i))).toBe(false);
        }
      }
    }
  });

  test("closes a broker that was never used", async () => {
    const unused = await processes.join();
    await unused.close();
  });
}
