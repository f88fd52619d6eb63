// The global `performance`: the clock of this instance, marks and measures, and who observes them.
import { EventTarget, report } from "thimble:events";
import { structuredClone } from "thimble:structured-clone";
import { callback, dictionary, double, finish, need, sequence, shows, string } from "thimble:webidl";

const { elapsed, now, epoch } = host;
let mayConstruct = false;
let entryOf;

function made(create) {
  mayConstruct = true;
  try {
    return create();
  } finally {
    mayConstruct = false;
  }
}
function guard() {
  if (!mayConstruct) throw new TypeError("Illegal constructor");
}

export class PerformanceEntry {
  #entry;
  constructor(entry) {
    guard();
    this.#entry = entry;
  }
  static { entryOf = (entry) => entry.#entry; }
  get name() { return this.#entry.name; }
  get entryType() { return this.#entry.entryType; }
  get startTime() { return this.#entry.startTime; }
  get duration() { return this.#entry.duration; }
  toJSON() {
    const { name, entryType, startTime, duration } = this.#entry;
    return "detail" in this.#entry ? { name, entryType, startTime, duration, detail: this.#entry.detail } : { name, entryType, startTime, duration };
  }
}
finish("PerformanceEntry", PerformanceEntry);
shows(PerformanceEntry, (entry) => entry.toJSON());

const detailOf = (detail) => (detail === undefined || detail === null ? null : structuredClone(detail));

export class PerformanceMark extends PerformanceEntry {
  constructor(name, options = {}) {
    need(arguments.length, 1, "PerformanceMark");
    name = string(name);
    const { startTime, detail } = dictionary(options, "The mark's options");
    const at = startTime === undefined ? elapsed() : double(startTime, "startTime");
    if (at < 0) throw new TypeError("startTime is negative");
    mayConstruct = true;
    try {
      super({ name, entryType: "mark", startTime: at, duration: 0, detail: detailOf(detail) });
    } finally {
      mayConstruct = false;
    }
  }
  get detail() { return entryOf(this).detail; }
}
finish("PerformanceMark", PerformanceMark);

export class PerformanceMeasure extends PerformanceEntry {
  get detail() { return entryOf(this).detail; }
}
finish("PerformanceMeasure", PerformanceMeasure);

let timeline = [];
const observers = new Set();
const TYPES = Object.freeze(["mark", "measure"]);
const byTime = (list) => list.map((entry, at) => [entry, at]).sort(([one, i], [other, j]) => one.startTime - other.startTime || i - j).map(([entry]) => entry);

function enter(entry) {
  timeline.push(entry);
  for (const observer of observers) observer.enter(entry);
  return entry;
}

const listOf = (entries, name, type) =>
  byTime(entries.filter((entry) => (name === undefined || entry.name === name) && (type === undefined || entry.entryType === type)));

class Performance extends EventTarget {
  #origin = null;
  constructor() {
    guard();
    super();
  }
  now() {
    this.#origin;
    return elapsed();
  }
  get timeOrigin() {
    // An image may have looked at the clock of the instance that it was taken of.
    if (this.#origin?.epoch !== epoch()) this.#origin = { epoch: epoch(), time: now() - elapsed() };
    return this.#origin.time;
  }
  mark(name, options = {}) {
    this.#origin;
    need(arguments.length, 1, "performance.mark");
    return enter(new PerformanceMark(name, options));
  }
  measure(name, startOrOptions = undefined, endMark = undefined) {
    this.#origin;
    need(arguments.length, 1, "performance.measure");
    name = string(name);
    const isOptions = typeof startOrOptions === "object" && startOrOptions !== null;
    const { start, end, duration, detail } = isOptions ? startOrOptions : {};
    if (isOptions && [start, end, duration, detail].some((value) => value !== undefined)) {
      if (endMark !== undefined) throw new TypeError("An end mark beside options");
      if (start === undefined && end === undefined) throw new TypeError("The options name neither start nor end");
      if (start !== undefined && end !== undefined && duration !== undefined) throw new TypeError("The options name start, end and duration");
    }
    const time = (mark) => {
      if (typeof mark === "number") {
        if (mark < 0) throw new TypeError("A time is negative");
        return double(mark, "A time");
      }
      const text = string(mark);
      const found = timeline.findLast((entry) => entry.entryType === "mark" && entry.name === text);
      if (!found) throw new DOMException(`The mark '${text}' does not exist`, "SyntaxError");
      return found.startTime;
    };
    const span = duration === undefined ? undefined : double(duration, "duration");
    const to = endMark !== undefined ? time(endMark)
      : isOptions && end !== undefined ? time(end)
      : isOptions && start !== undefined && span !== undefined ? time(start) + span
      : elapsed();
    const from = isOptions && start !== undefined ? time(start)
      : isOptions && span !== undefined && end !== undefined ? time(end) - span
      : !isOptions && startOrOptions !== undefined && startOrOptions !== null ? time(startOrOptions)
      : 0;
    return enter(made(() => new PerformanceMeasure({ name, entryType: "measure", startTime: from, duration: to - from, detail: detailOf(detail) })));
  }
  clearMarks(name = undefined) {
    this.#origin;
    const text = name === undefined ? undefined : string(name);
    timeline = timeline.filter((entry) => entry.entryType !== "mark" || (text !== undefined && entry.name !== text));
  }
  clearMeasures(name = undefined) {
    this.#origin;
    const text = name === undefined ? undefined : string(name);
    timeline = timeline.filter((entry) => entry.entryType !== "measure" || (text !== undefined && entry.name !== text));
  }
  getEntries() {
    this.#origin;
    return listOf(timeline);
  }
  getEntriesByName(name, type = undefined) {
    this.#origin;
    need(arguments.length, 1, "getEntriesByName");
    return listOf(timeline, string(name), type === undefined ? undefined : string(type));
  }
  getEntriesByType(type) {
    this.#origin;
    need(arguments.length, 1, "getEntriesByType");
    return listOf(timeline, undefined, string(type));
  }
  toJSON() { return { timeOrigin: this.timeOrigin }; }
}
finish("Performance", Performance);

class PerformanceObserverEntryList {
  #entries;
  constructor(entries) {
    guard();
    this.#entries = entries;
  }
  getEntries() { return listOf(this.#entries); }
  getEntriesByName(name, type = undefined) {
    need(arguments.length, 1, "getEntriesByName");
    return listOf(this.#entries, string(name), type === undefined ? undefined : string(type));
  }
  getEntriesByType(type) {
    need(arguments.length, 1, "getEntriesByType");
    return listOf(this.#entries, undefined, string(type));
  }
}
finish("PerformanceObserverEntryList", PerformanceObserverEntryList);

export class PerformanceObserver {
  #action;
  #types = new Set();
  #single = null;
  #entries = [];
  #internal = { enter: (entry) => { if (this.#types.has(entry.entryType)) this.#add(entry); } };
  constructor(action) {
    need(arguments.length, 1, "PerformanceObserver");
    this.#action = callback(action, "The observer's callback");
  }
  static get supportedEntryTypes() { return TYPES; }
  #add(entry) {
    this.#entries.push(entry);
    // Whichever comes first hands out all; what an earlier invocation left behind waits for nobody.
    host.timer(0, () => {
      const entries = this.takeRecords();
      if (entries.length === 0) return;
      try {
        this.#action.call(this, made(() => new PerformanceObserverEntryList(entries)), this, { droppedEntriesCount: 0 });
      } catch (error) {
        report(error);
      }
    });
  }
  observe(options = {}) {
    this.#types;
    const { entryTypes, type, buffered } = dictionary(options, "The observer's options");
    if (entryTypes === undefined && type === undefined) throw new TypeError("The options name neither entryTypes nor type");
    if (entryTypes !== undefined && (type !== undefined || buffered !== undefined)) throw new TypeError("entryTypes stands beside type or buffered");
    const single = type !== undefined;
    if (this.#single !== null && this.#single !== single) {
      throw new DOMException("An observer observes either entryTypes or single types", "InvalidModificationError");
    }
    this.#single = single;
    if (single) {
      const text = string(type);
      if (!TYPES.includes(text)) return;
      this.#types.add(text);
      observers.add(this.#internal);
      if (buffered) for (const entry of listOf(timeline, undefined, text)) this.#add(entry);
      return;
    }
    const types = sequence(entryTypes, "entryTypes").map(string).filter((type) => TYPES.includes(type));
    if (types.length === 0) return;
    this.#types = new Set(types);
    observers.add(this.#internal);
  }
  disconnect() {
    this.#types = new Set();
    this.#entries = [];
    this.#single = null;
    observers.delete(this.#internal);
  }
  takeRecords() {
    const entries = this.#entries;
    this.#entries = [];
    return byTime(entries);
  }
}
finish("PerformanceObserver", PerformanceObserver);

export { Performance, PerformanceObserverEntryList };
export const performance = made(() => new Performance());
