// `perf_hooks`: the clock, and histograms of plain numbers.
"use strict";
const { performance } = globalThis;
const { checkInteger, checkFunction, refuse } = require("thimble:node-errors");

class Histogram {
  #values = [];
  exceeds = 0;
  record(value) {
    checkInteger(typeof value === "bigint" ? Number(value) : value, "val", 1);
    this.#values.push(Number(value));
  }
  recordDelta() {
    const now = host.elapsed() * 1e6;
    if (this.last !== undefined) this.record(Math.max(1, Math.round(now - this.last)));
    Object.defineProperty(this, "last", { value: now, writable: true, configurable: true });
  }
  reset() { this.#values = []; }
  get count() { return this.#values.length; }
  get min() { return Math.min(...this.#values, 2 ** 63); }
  get max() { return Math.max(...this.#values, 0); }
  get mean() { return this.#values.length ? this.#values.reduce((sum, value) => sum + value, 0) / this.#values.length : NaN; }
  get stddev() {
    const { mean } = this;
    return Math.sqrt(this.#values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / this.#values.length);
  }
  percentile(percent) {
    const sorted = this.#values.toSorted((one, other) => one - other);
    return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? 0;
  }
  get percentiles() { return new Map([0, 50, 75, 90, 99, 100].map((percent) => [percent, this.percentile(percent)])); }
}

function timerify(callback) {
  checkFunction(callback, "fn");
  return function timerified(...values) { return new.target ? Reflect.construct(callback, values, new.target) : Reflect.apply(callback, this, values); };
}

module.exports = {
  performance,
  createHistogram: () => new Histogram(),
  timerify,
  monitorEventLoopDelay: refuse("perf_hooks.monitorEventLoopDelay", "an invocation's duration is in its answer"),
  constants: {},
  get PerformanceEntry() { return globalThis.PerformanceEntry; },
  get PerformanceMark() { return globalThis.PerformanceMark; },
  get PerformanceMeasure() { return globalThis.PerformanceMeasure; },
  get PerformanceObserver() { return globalThis.PerformanceObserver; },
};
