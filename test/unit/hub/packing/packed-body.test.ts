import { expect, test } from "vitest";
import { PackedBody } from "../../../../src/hub/packing/packed-body.ts";
import { PackingContext } from "../../../../src/hub/packing/packing-context.ts";
import { Packing } from "../../../../src/hub/packing/packing.ts";
import { LogMemory } from "../../../../src/log/log-memory.ts";
import { gunzip } from "../../../support/gunzip.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

test("a body has the checksum of the piece that it was sent, even if it has asked for other bytes by that name", () => {
  const packing = new Packing(new PackingContext(new LogMemory(1_000_000)));
  const first = "the price of kiki ".repeat(50);
  for (const text of [first, "the price of foo ".repeat(60)]) {
    const body = new PackedBody(packing, { isChunked: false });
    const bytes = bytesOf(text);
    const own = body.packed(bytesOf("own "));
    body.announce({ bytes, from: 0, key: "piece", pass: undefined });
    const sent = [own, body.packed(bytes), body.packedEnd(bytesOf(" end"))];
    expect(gunzip(Buffer.concat(sent)).toString()).toBe(`own ${first} end`);
  }
});
