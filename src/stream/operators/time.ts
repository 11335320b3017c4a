import { CometError } from "../../core/errors.ts";
import { MAX_TIMER_MS, assertInteger } from "../../core/options.ts";
import { Enumerator, type Enumeratee } from "../enumerator.ts";
import { openRun } from "../open.ts";
import { END, isSignal, OperatorRun, WAIT, type Run, type Step, type Wake } from "../run.ts";

/** The number of elements that an operator drops in a row before it yields to timers. */
const MAX_DROPS = 1024;

/**
 * Emits an element, and drops the elements of the next `periodMs` milliseconds. A reader that is slower than that loses
 * nothing. For each element that is wanted, it pulls until there is one.
 *
 * @param periodMs A whole number from 1 to 2,147,483,647.
 * @throws {CometError} `ERR_OPTION` if `periodMs` is out of its range.
 */
export function throttle<A>(periodMs: number): Enumeratee<A, A> {
  assertInteger("The period of throttle", periodMs, 1, MAX_TIMER_MS);
  return timed((up, wake) => new ThrottleRun<A>(up, periodMs, wake));
}

/**
 * Emits an element when no other has followed for `quietMs` milliseconds: the last of each burst; the others are
 * dropped. The last of all is emitted when the source ends. It pulls while the reader wants an element.
 *
 * @param quietMs A whole number from 1 to 2,147,483,647.
 * @throws {CometError} `ERR_OPTION` if `quietMs` is out of its range.
 */
export function debounce<A>(quietMs: number): Enumeratee<A, A> {
  assertInteger("The time of debounce", quietMs, 1, MAX_TIMER_MS);
  return timed((up, wake) => new DebounceRun<A>(up, quietMs, wake));
}

/**
 * Emits the newest element every `periodMs` milliseconds, if there was a new one; the others are dropped. The last of
 * all is emitted when the source ends. It pulls while the reader wants an element.
 *
 * @param periodMs A whole number from 1 to 2,147,483,647.
 * @throws {CometError} `ERR_OPTION` if `periodMs` is out of its range.
 */
export function sample<A>(periodMs: number): Enumeratee<A, A> {
  assertInteger("The period of sample", periodMs, 1, MAX_TIMER_MS);
  return timed((up, wake) => new SampleRun<A>(up, periodMs, wake));
}

/**
 * Fails with `ERR_TIMEOUT` if the reader waits for more than `limitMs` milliseconds for the first element, the next, or
 * the end. The time runs only while the reader waits.
 *
 * @param limitMs A whole number from 1 to 2,147,483,647.
 * @throws {CometError} `ERR_OPTION` if `limitMs` is out of its range; `ERR_TIMEOUT`, to the reader.
 */
export function timeout<A>(limitMs: number): Enumeratee<A, A> {
  assertInteger("The limit of timeout", limitMs, 1, MAX_TIMER_MS);
  return timed((up, wake) => new TimeoutRun<A>(up, limitMs, wake));
}

function timed<A>(operate: (up: Run<A>, wake: Wake) => Run<A>): Enumeratee<A, A> {
  return (source) => new Enumerator((wake) => operate(openRun(source, wake), wake));
}

/** An operator with one timer. */
abstract class TimerRun<A> extends OperatorRun<A, A> {
  readonly #wake: Wake;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(up: Run<A>, wake: Wake) {
    super(up);
    this.#wake = wake;
  }

  protected get timing(): boolean {
    return this.#timer !== undefined;
  }

  /** Calls `onTime` once after the delay, and then wakes the reader. It replaces a running timer. */
  protected startTimer(delayMs: number, onTime: () => void = () => undefined): void {
    this.stopTimer();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      onTime();
      this.#wake();
    }, delayMs);
  }

  protected stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Yields to timers, in case the source never waits and the loop drops its elements without end. */
  protected giveWay(): typeof WAIT {
    setTimeout(this.#wake, 0);
    return WAIT;
  }

  override close(): void | PromiseLike<void> {
    this.stopTimer();
    return super.close();
  }
}

class ThrottleRun<A> extends TimerRun<A> {
  readonly #periodMs: number;

  constructor(up: Run<A>, periodMs: number, wake: Wake) {
    super(up, wake);
    this.#periodMs = periodMs;
  }

  poll(): Step<A> {
    for (let drops = 0; drops < MAX_DROPS; drops += 1) {
      const step = this.up.poll();
      if (isSignal(step)) return step;
      if (this.timing) continue;
      this.startTimer(this.#periodMs);
      return step;
    }
    return this.giveWay();
  }
}

/** An operator that holds the newest element until it is due. */
abstract class HoldingRun<A> extends TimerRun<A> {
  #held: { readonly element: A } | undefined;
  #ended = false;
  #due = false;

  /** Called when an element has arrived and is held. */
  protected abstract onElement(): void;

  protected readonly fallDue = (): void => {
    this.#due = true;
  };

  poll(): Step<A> {
    for (let drops = 0; drops < MAX_DROPS; drops += 1) {
      if (this.#held !== undefined && (this.#due || this.#ended)) {
        const { element } = this.#held;
        this.#held = undefined;
        this.#due = false;
        return element;
      }
      if (this.#ended) return END;
      const step = this.up.poll();
      if (step === WAIT) return WAIT;
      if (step === END) this.#ended = true;
      else {
        this.#held = { element: step };
        this.onElement();
      }
    }
    return this.giveWay();
  }
}

class DebounceRun<A> extends HoldingRun<A> {
  readonly #quietMs: number;

  constructor(up: Run<A>, quietMs: number, wake: Wake) {
    super(up, wake);
    this.#quietMs = quietMs;
  }

  protected onElement(): void {
    this.startTimer(this.#quietMs, this.fallDue);
  }
}

class SampleRun<A> extends HoldingRun<A> {
  readonly #periodMs: number;
  #next: number;

  constructor(up: Run<A>, periodMs: number, wake: Wake) {
    super(up, wake);
    this.#periodMs = periodMs;
    this.#next = performance.now() + periodMs;
  }

  /** Starts a timer for the next multiple of the period; it runs only while an element is held. */
  protected onElement(): void {
    if (this.timing) return;
    const late = performance.now() - this.#next;
    if (late >= 0) this.#next += (Math.floor(late / this.#periodMs) + 1) * this.#periodMs;
    this.startTimer(Math.max(0, this.#next - performance.now()), () => {
      this.#next += this.#periodMs;
      this.fallDue();
    });
  }
}

class TimeoutRun<A> extends TimerRun<A> {
  readonly #limitMs: number;
  #failed = false;

  constructor(up: Run<A>, limitMs: number, wake: Wake) {
    super(up, wake);
    this.#limitMs = limitMs;
  }

  poll(): Step<A> {
    if (this.#failed) throw new CometError("ERR_TIMEOUT", `The source emitted nothing for ${this.#limitMs} ms.`);
    const step = this.up.poll();
    if (step !== WAIT) this.stopTimer();
    else if (!this.timing) this.startTimer(this.#limitMs, () => (this.#failed = true));
    return step;
  }
}
