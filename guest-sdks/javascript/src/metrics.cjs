// Metrics as log lines in the embedded metric format, which collectors of logs make metrics of. The host has no API for
// metrics of functions yet.
"use strict";

// The format allows no more in one line.
const MAX_METRICS = 100;
const MAX_VALUES = 100;
const MAX_DIMENSIONS = 30;

class Metrics {
  #namespace;
  #dimensions;
  #metrics = new Map();

  constructor({ namespace = "thimble", dimensions = {} } = {}) {
    this.#namespace = namespace;
    if (Object.keys(dimensions).length > MAX_DIMENSIONS) throw new RangeError(`a metric has at most ${MAX_DIMENSIONS} dimensions`);
    this.#dimensions = Object.fromEntries(Object.entries(dimensions).map(([name, value]) => [name, String(value)]));
  }

  // So many more of it.
  count(name, by = 1) {
    const metric = this.#metric(name, "Count");
    metric.values[0] = (metric.values[0] ?? 0) + number(name, by);
  }

  // What it is now: the last one counts.
  gauge(name, value, unit = "None") {
    this.#metric(name, unit).values[0] = number(name, value);
  }

  // One of several values, such as a duration.
  record(name, value, unit = "None") {
    const metric = this.#metric(name, unit);
    metric.values.push(number(name, value));
    if (metric.values.length === MAX_VALUES) this.flush();
  }

  // Starts a timer; what is answered stops it, records the milliseconds and answers them.
  timer(name) {
    const start = performance.now();
    let took;
    return () => {
      if (took === undefined) {
        took = performance.now() - start;
        this.record(name, took, "Milliseconds");
      }
      return took;
    };
  }

  // Times a function, whether it succeeds or not.
  async time(name, work) {
    const stop = this.timer(name);
    try {
      return await work();
    } finally {
      stop();
    }
  }

  // Writes what was gathered, and begins anew. To be called before the function answers.
  flush() {
    if (this.#metrics.size === 0) return;
    const names = Object.keys(this.#dimensions);
    const metrics = [...this.#metrics].map(([Name, { unit: Unit }]) => ({ Name, Unit }));
    const values = [...this.#metrics].map(([name, { values }]) => [name, values.length === 1 ? values[0] : values]);
    this.#metrics.clear();
    console.log(JSON.stringify({
      _aws: { Timestamp: Date.now(), CloudWatchMetrics: [{ Namespace: this.#namespace, Dimensions: [names], Metrics: metrics }] },
      ...this.#dimensions,
      ...Object.fromEntries(values),
    }));
  }

  #metric(name, unit) {
    if (Object.hasOwn(this.#dimensions, name)) throw new TypeError(`"${name}" is a dimension already`);
    let metric = this.#metrics.get(name);
    if (metric === undefined) {
      if (this.#metrics.size === MAX_METRICS) this.flush();
      metric = { unit, values: [] };
      this.#metrics.set(name, metric);
    }
    return metric;
  }
}

function number(name, value) {
  if (typeof value !== "number" || !Number.isFinite(value)) throw new TypeError(`the metric "${name}" is no finite number: ${value}`);
  return value;
}

module.exports = { Metrics };
