import { expect, test } from "vitest";
import { Peer } from "../../../../src/hub/presence/peer.ts";
import {
  decodeSignal,
  encodeSignal,
  MAX_SIGNAL_BYTES,
  partsInSignals,
  topicsInSignals,
  type Signal,
  type TopicState,
} from "../../../../src/hub/presence/signals.ts";

const head = { from: "abc", beatMs: 2000 };

/** The state of a process, signal by signal. */
function have(states: readonly TopicState[], before = 0): Signal[] {
  return Array.from(partsInSignals(states), (parts, i) => ({ type: "have", ...head, haves: before + i + 1, parts }));
}

function stateOf(count: number, isWhole = true, topic = "room", length = 150): TopicState {
  const identities = Array.from({ length: count }, (_, i) => [String(i).padEnd(length, "\u0001"), 1] as const);
  return { topic, isWhole, anonymous: 3, identities };
}

interface Heard {
  readonly peer: Peer;
  readonly changed: string[];
  readonly lacking: Set<string>;
}

function peerOf(first: Signal, asked: readonly string[] = ["room"]): Heard {
  const changed: string[] = [];
  const lacking = new Set<string>();
  const peer = new Peer(first, 0, {
    asked: new Map(asked.map((topic) => [topic, true])),
    changed: (_, identities) => changed.push(...identities),
    incompleteChanged: (topic, isIncomplete) => {
      if (isIncomplete) lacking.add(topic);
      else lacking.delete(topic);
    },
  });
  peer.markAllIncomplete();
  return { peer, changed, lacking };
}

test("applies a state of several parts when it is complete", () => {
  const signals = have([stateOf(1000)]);
  expect(signals.length).toBeGreaterThan(3);
  const { peer, changed, lacking } = peerOf(signals[0] as Signal);
  for (const signal of signals) {
    expect([peer.rollOf("room"), lacking.size, changed.length]).toEqual([undefined, 1, 0]);
    peer.receive(signal, 0);
    expect(peer.isReceivingState).toBe(signal !== signals.at(-1));
  }
  expect([peer.rollOf("room")?.subscribers, lacking.size, new Set(changed).size]).toEqual([1003, 0, 1000]);
});

test("replaces an earlier state with a complete one, and reports the difference", () => {
  const [first, second] = [have([stateOf(5)]), have([stateOf(3)], 1)].flat() as [Signal, Signal];
  const { peer, changed } = peerOf(first);
  peer.receive(first, 0);
  changed.length = 0;
  peer.receive(second, 0);
  expect(peer.rollOf("room")?.subscribers).toBe(6);
  expect(changed.map((identity) => identity[0])).toEqual(["3", "4"]);
});

test("drops the parts of a state that lacks one, and reports the state as missing", () => {
  const signals = have([stateOf(1000)]);
  for (const missing of signals) {
    const { peer, lacking } = peerOf(signals[0] as Signal);
    for (const signal of signals) if (signal !== missing) peer.receive(signal, 0);
    peer.receive({ type: "beat", ...head, haves: signals.length }, 0);
    // A process that joins at the second part cannot detect the loss, but has no state.
    expect([peer.rollOf("room"), lacking.size, peer.isReceivingState]).toEqual([undefined, 1, false]);
  }
});

test("ignores a signal that arrives twice or too late", () => {
  const [first, second] = [have([stateOf(2)]), have([stateOf(5, false)], 1)].flat() as [Signal, Signal];
  const { peer } = peerOf(first);
  for (const signal of [first, second, second, first]) peer.receive(signal, 0);
  expect(peer.rollOf("room")?.subscribers).toBe(8);
});

test("does not keep topics that are not requested", () => {
  const [signal] = have([stateOf(2, true, "other"), stateOf(1)]) as [Signal];
  const { peer } = peerOf(signal);
  peer.receive(signal, 0);
  expect([peer.rollOf("other"), peer.rollOf("room")?.subscribers]).toEqual([undefined, 4]);
});

test.each([
  ["none", []],
  ["nobody", [stateOf(0)]],
  ["many topics", Array.from({ length: 5000 }, (_, i) => stateOf(i % 3, true, `room-${i}`.padEnd(200, "\u2028")))],
  ["large and small", [stateOf(3000), stateOf(0, true, "a"), stateOf(1, false, "b"), stateOf(3000, false, "c", 200)]],
])("encodes a complete state in bounded signals: %s", (_, states) => {
  const signals = have(states).map((signal) => encodeSignal(signal));
  for (const text of signals) expect(Buffer.byteLength(text)).toBeLessThanOrEqual(MAX_SIGNAL_BYTES);
  const parts = signals.flatMap((text) => {
    const signal = decodeSignal(text, () => true);
    return signal?.type === "have" ? signal.parts : expect.fail("it is not understood");
  });
  const told = new Map<string, [boolean, Map<string, number>]>();
  for (const { topic, replaces, identities, anonymous } of parts) {
    expect(anonymous).toBe(3);
    const [, before] = told.get(topic) ?? [];
    told.set(topic, [replaces || before !== undefined, new Map([...(before ?? []), ...identities])]);
  }
  expect([...told.keys()]).toEqual(states.map(({ topic }) => topic));
  for (const { topic, identities } of states) expect(told.get(topic)?.[1]).toEqual(new Map(identities));
});

test("requests topics in bounded signals", () => {
  const topics = Array.from({ length: 5000 }, (_, i) => `room-${i}`.padEnd(200, "\u0100"));
  const asked = Array.from(topicsInSignals(topics), (some) => {
    const text = encodeSignal({ type: "want", ...head, haves: 7, topics: some, afresh: true, of: "x".repeat(64) });
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(MAX_SIGNAL_BYTES);
    return decodeSignal(text, () => true);
  });
  expect(asked.flatMap((signal) => (signal?.type === "want" ? signal.topics : []))).toEqual(topics);
  expect([...topicsInSignals([])]).toEqual([]);
});
