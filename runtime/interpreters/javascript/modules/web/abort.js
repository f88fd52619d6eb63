// AbortController and AbortSignal.
import { Event, EventTarget, fire, handlers } from "thimble:events";
import { finish, integer, need, sequence, shows } from "thimble:webidl";

let newSignal;
let abort;
let depends;

/** Calls a function when the signal is aborted, ahead of its listeners. Answers a function that takes this back. */
export let onAbort;

export class AbortSignal extends EventTarget {
  static #mayConstruct = false;
  #aborted = false;
  #reason = undefined;
  #steps = new Set();
  // The signals that are aborted with this one, and, in those, the ones that they follow.
  #followers = new Set();
  #sources = null;
  constructor() {
    if (!AbortSignal.#mayConstruct) throw new TypeError("Illegal constructor: use an AbortController");
    super();
  }
  static {
    newSignal = () => {
      AbortSignal.#mayConstruct = true;
      try {
        return new AbortSignal();
      } finally {
        AbortSignal.#mayConstruct = false;
      }
    };
    const mark = (signal, reason) => {
      signal.#aborted = true;
      signal.#reason = reason === undefined ? new DOMException("This operation was aborted", "AbortError") : reason;
    };
    abort = (signal, reason) => {
      if (signal.#aborted) return;
      mark(signal, reason);
      const all = [signal];
      for (const follower of signal.#followers) {
        if (follower.#aborted) continue;
        mark(follower, signal.#reason);
        all.push(follower);
      }
      for (const one of all) {
        const steps = [...one.#steps];
        one.#steps.clear();
        for (const step of steps) step();
        fire(one, new Event("abort"));
      }
    };
    depends = (signal, source) => {
      // What follows others hands on those that it follows itself: none of them is left in between.
      for (const root of source.#sources ?? [source]) {
        signal.#sources.add(root);
        root.#followers.add(signal);
      }
    };
    onAbort = (signal, step) => {
      signal.#steps.add(step);
      return () => signal.#steps.delete(step);
    };
  }
  static abort(reason = undefined) {
    const signal = newSignal();
    signal.#aborted = true;
    signal.#reason = reason === undefined ? new DOMException("This operation was aborted", "AbortError") : reason;
    return signal;
  }
  static timeout(milliseconds) {
    need(arguments.length, 1, "AbortSignal.timeout");
    const wait = integer(milliseconds, 64, { mode: "enforce", what: "The time" });
    const signal = newSignal();
    host.timer(wait, () => abort(signal, new DOMException("The operation was aborted due to timeout", "TimeoutError")));
    return signal;
  }
  static any(signals) {
    need(arguments.length, 1, "AbortSignal.any");
    const all = sequence(signals, "The list of signals");
    for (const one of all) {
      if (typeof one !== "object" || one === null || !(#aborted in one)) throw new TypeError("The list holds something that is no AbortSignal");
    }
    const signal = newSignal();
    const first = all.find((one) => one.#aborted);
    if (first) {
      signal.#aborted = true;
      signal.#reason = first.#reason;
      return signal;
    }
    signal.#sources = new Set();
    for (const one of all) depends(signal, one);
    return signal;
  }
  get aborted() { return this.#aborted; }
  get reason() { return this.#reason; }
  throwIfAborted() { if (this.#aborted) throw this.#reason; }
}
handlers(AbortSignal, ["abort"]);
finish("AbortSignal", AbortSignal);
shows(AbortSignal, ["aborted"]);

/** A signal that is aborted when another is. */
export function following(source) {
  return source ? AbortSignal.any([source]) : newSignal();
}

export class AbortController {
  #signal = newSignal();
  get signal() { return this.#signal; }
  abort(reason = undefined) { abort(this.#signal, reason); }
}
finish("AbortController", AbortController);
shows(AbortController, ["signal"]);
