// Events, and what they happen to.
import { dictionary, finish, need, shows, string } from "thimble:webidl";

const [NONE, AT_TARGET] = [0, 2];
const PHASES = { NONE: 0, CAPTURING_PHASE: 1, AT_TARGET: 2, BUBBLING_PHASE: 3 };
let stateOf;
let trusted;

/** An event that is not the program's own: `isTrusted`. */
export const trust = (event) => trusted(event);

export class Event {
  #type;
  #state;
  constructor(type, init = {}) {
    need(arguments.length, 1, "Event");
    this.#type = string(type);
    const { bubbles, cancelable, composed } = dictionary(init, "The event's init");
    this.#state = {
      type: this.#type,
      bubbles: Boolean(bubbles),
      cancelable: Boolean(cancelable),
      composed: Boolean(composed),
      target: null,
      current: null,
      phase: NONE,
      prevented: false,
      stopped: false,
      stoppedAtOnce: false,
      dispatching: false,
      passive: false,
      time: host.elapsed(),
    };
    // Web IDL's `LegacyUnforgeable`.
    Object.defineProperty(this, "isTrusted", { get: isTrusted, enumerable: true, configurable: false });
  }
  static {
    stateOf = (event) => event.#state;
  }
  get type() { return this.#state.type; }
  get target() { return this.#state.target; }
  get srcElement() { return this.#state.target; }
  get currentTarget() { return this.#state.current; }
  composedPath() { return this.#state.current === null ? [] : [this.#state.current]; }
  get eventPhase() { return this.#state.phase; }
  stopPropagation() { this.#state.stopped = true; }
  get cancelBubble() { return this.#state.stopped; }
  set cancelBubble(value) { if (value) this.#state.stopped = true; }
  stopImmediatePropagation() { this.#state.stopped = this.#state.stoppedAtOnce = true; }
  get bubbles() { return this.#state.bubbles; }
  get cancelable() { return this.#state.cancelable; }
  get returnValue() { return !this.#state.prevented; }
  set returnValue(value) { if (!value) this.preventDefault(); }
  preventDefault() { if (this.#state.cancelable && !this.#state.passive) this.#state.prevented = true; }
  get defaultPrevented() { return this.#state.prevented; }
  get composed() { return this.#state.composed; }
  get timeStamp() { return this.#state.time; }
  initEvent(type, bubbles = false, cancelable = false) {
    need(arguments.length, 1, "initEvent");
    const state = this.#state;
    if (state.dispatching) return;
    Object.assign(state, {
      type: string(type), bubbles: Boolean(bubbles), cancelable: Boolean(cancelable), target: null, prevented: false, stopped: false, stoppedAtOnce: false,
    });
  }
}
const trustedEvents = new WeakSet();
trusted = (event) => {
  trustedEvents.add(event);
  return event;
};
const { get: isTrusted } = Object.getOwnPropertyDescriptor({ get isTrusted() { return trustedEvents.has(this); } }, "isTrusted");
finish("Event", Event, PHASES);
shows(Event, ["type", "target", "defaultPrevented", "cancelable", "timeStamp"]);

/** A class of events with read-only members: their names, defaults and conversions. */
function eventClass(name, members, more = {}) {
  const made = { [name]: class extends Event {
    #values;
    constructor(type, init = {}) {
      need(arguments.length, 1, name);
      super(type, init);
      const given = dictionary(init, "The event's init");
      this.#values = {};
      for (const [member, [initial, convert]] of Object.entries(members)) {
        const value = given[member];
        this.#values[member] = value === undefined ? initial : convert(value);
      }
      more.check?.(given);
    }
    static values(event) { return event.#values; }
  } }[name];
  const { values } = made;
  delete made.values;
  for (const member of Object.keys(members)) {
    const { get } = Object.getOwnPropertyDescriptor({ get [member]() { return values(this)[member]; } }, member);
    Object.defineProperty(made.prototype, member, { get, enumerable: true, configurable: true });
  }
  for (const [method, make] of Object.entries(more.methods ?? {})) made.prototype[method] = make(values);
  finish(name, made);
  shows(made, ["type", ...Object.keys(members)]);
  return made;
}

const any = (value) => value;
export const CustomEvent = eventClass("CustomEvent", { detail: [null, any] }, {
  methods: {
    initCustomEvent: (values) => function initCustomEvent(type, bubbles = false, cancelable = false, detail = null) {
      need(arguments.length, 1, "initCustomEvent");
      if (stateOf(this).dispatching) return;
      this.initEvent(type, bubbles, cancelable);
      values(this).detail = detail;
    },
  },
});
export const ErrorEvent = eventClass("ErrorEvent", {
  message: ["", string], filename: ["", string], lineno: [0, (value) => value >>> 0], colno: [0, (value) => value >>> 0], error: [undefined, any],
});
export const PromiseRejectionEvent = eventClass("PromiseRejectionEvent", { promise: [undefined, any], reason: [undefined, any] }, {
  check({ promise }) { if (promise === undefined) throw new TypeError("A PromiseRejectionEvent needs a promise"); },
});
export const MessageEvent = eventClass("MessageEvent", {
  data: [null, any], origin: ["", string], lastEventId: ["", string], source: [null, any], ports: [Object.freeze([]), (ports) => Object.freeze([...ports])],
});
export const CloseEvent = eventClass("CloseEvent", { wasClean: [false, Boolean], code: [0, (value) => value & 0xffff], reason: ["", string] });
export const ProgressEvent = eventClass("ProgressEvent", { lengthComputable: [false, Boolean], loaded: [0, Number], total: [0, Number] });

/** Shows an error that was thrown where nobody can catch it, unless a listener for `error` takes it. */
export function report(error) {
  if (host.reported === undefined || host.reported(error)) host.uncaught(error);
}

function optionsOf(options) {
  if (typeof options === "object" && options !== null) {
    const { capture, once, passive, signal } = options;
    if (signal !== undefined && !(signal instanceof host.require("thimble:abort").AbortSignal)) throw new TypeError("The signal is no AbortSignal");
    return { capture: Boolean(capture), once: Boolean(once), passive: Boolean(passive), signal };
  }
  return { capture: Boolean(options), once: false, passive: false, signal: undefined };
}

function isListener(listener) {
  if (listener === null || listener === undefined) return false;
  if (typeof listener !== "object" && typeof listener !== "function") throw new TypeError("The listener is neither a function nor an object with handleEvent");
  return true;
}

let listenersOf;
let dispatch;

export class EventTarget {
  #listeners = new Map();
  static {
    listenersOf = (target) => target.#listeners;
    dispatch = (target, event) => {
      const state = stateOf(event);
      const lists = target.#listeners;
      state.dispatching = true;
      state.target = state.current = target;
      state.phase = AT_TARGET;
      const all = lists.get(state.type);
      if (all !== undefined && !state.stopped) {
        for (const capture of [true, false]) {
          for (const entry of [...all]) {
            if (entry.removed || entry.capture !== capture) continue;
            if (state.stoppedAtOnce) break;
            if (entry.once) remove(lists, state.type, entry);
            state.passive = entry.passive;
            try {
              const { listener } = entry;
              if (typeof listener === "function") {
                const answer = listener.call(target, event);
                if (entry.isHandler && answer === false) event.preventDefault();
              } else if (!entry.isHandler) {
                const { handleEvent } = listener;
                if (typeof handleEvent !== "function") throw new TypeError("The listener's handleEvent is not a function");
                handleEvent.call(listener, event);
              }
            } catch (error) {
              report(error);
            }
            state.passive = false;
          }
          if (state.stopped) break;
        }
      }
      state.phase = NONE;
      state.current = null;
      state.dispatching = state.stopped = state.stoppedAtOnce = false;
      return !state.prevented;
    };
  }
  addEventListener(type, listener, options = undefined) {
    const lists = this.#listeners;
    need(arguments.length, 2, "addEventListener");
    type = string(type);
    const { capture, once, passive, signal } = optionsOf(options);
    if (!isListener(listener) || signal?.aborted) return;
    const list = lists.get(type) ?? [];
    if (list.some((entry) => entry.listener === listener && entry.capture === capture && !entry.isHandler)) return;
    const entry = { listener, capture, once, passive, removed: false, isHandler: false };
    list.push(entry);
    lists.set(type, list);
    if (signal) host.require("thimble:abort").onAbort(signal, () => remove(lists, type, entry));
  }
  removeEventListener(type, listener, options = undefined) {
    const lists = this.#listeners;
    need(arguments.length, 2, "removeEventListener");
    type = string(type);
    const capture = typeof options === "object" && options !== null ? Boolean(options.capture) : Boolean(options);
    if (!isListener(listener)) return;
    const entry = lists.get(type)?.find((entry) => entry.listener === listener && entry.capture === capture && !entry.isHandler);
    if (entry) remove(lists, type, entry);
  }
  dispatchEvent(event) {
    this.#listeners;
    need(arguments.length, 1, "dispatchEvent");
    if (!(event instanceof Event)) throw new TypeError("The event is no Event");
    if (stateOf(event).dispatching) throw new DOMException("The event is being dispatched already", "InvalidStateError");
    trustedEvents.delete(event);
    return dispatch(this, event);
  }
}
finish("EventTarget", EventTarget);

function remove(lists, type, entry) {
  entry.removed = true;
  const list = lists.get(type)?.filter((other) => other !== entry);
  if (list?.length) lists.set(type, list);
  else lists.delete(type);
}

/** Dispatches an event of the runtime's own. */
export const fire = (target, event) => dispatch(target, trust(event));

/** How many listeners of a type there are. */
export const listens = (target, type) => listenersOf(target).has(type);

/** Gives a class the attributes `on…` of event types. */
export function handlers(made, types, changed = () => {}) {
  for (const type of types) {
    const name = `on${type}`;
    const { get, set } = Object.getOwnPropertyDescriptor({
      get [name]() { return listenersOf(this).get(type)?.find((entry) => entry.isHandler)?.listener ?? null; },
      set [name](value) {
        const lists = listenersOf(this);
        const listener = typeof value === "function" || (typeof value === "object" && value !== null) ? value : null;
        const entry = lists.get(type)?.find((entry) => entry.isHandler);
        if (listener === null) {
          if (entry) remove(lists, type, entry);
        } else if (entry) {
          entry.listener = listener;
        } else {
          const list = lists.get(type) ?? [];
          list.push({ listener, capture: false, once: false, passive: false, removed: false, isHandler: true });
          lists.set(type, list);
        }
        changed(this, type);
      },
    }, name);
    Object.defineProperty(made.prototype, name, { get, set, enumerable: true, configurable: true });
  }
}
