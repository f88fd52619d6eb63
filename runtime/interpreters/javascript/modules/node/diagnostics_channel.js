// `diagnostics_channel`: named channels that libraries tell of what they do.
"use strict";
const { codes, checkFunction } = require("thimble:node-errors");
const { ERR_INVALID_ARG_TYPE } = codes;
const channels = new Map();

class Channel {
  #subscribers = [];
  #stores = new Map();
  constructor(name) { this.name = name; }
  get hasSubscribers() { return this.#subscribers.length > 0 || this.#stores.size > 0; }
  subscribe(subscription) {
    checkFunction(subscription, "subscription");
    this.#subscribers = [...this.#subscribers, subscription];
  }
  unsubscribe(subscription) {
    const at = this.#subscribers.indexOf(subscription);
    if (at < 0) return false;
    this.#subscribers = this.#subscribers.toSpliced(at, 1);
    return true;
  }
  bindStore(store, transform) { this.#stores.set(store, transform); }
  unbindStore(store) { return this.#stores.delete(store); }
  publish(data) {
    for (const subscriber of this.#subscribers) {
      try {
        subscriber(data, this.name);
      } catch (error) {
        process.nextTick(() => {
          throw error;
        });
      }
    }
  }
  runStores(data, callback, self, ...values) {
    let run = () => {
      this.publish(data);
      return Reflect.apply(callback, self, values);
    };
    for (const [store, transform] of this.#stores) {
      const inner = run;
      run = () => {
        let stored = data;
        try {
          if (transform) stored = transform(data);
        } catch (error) {
          process.nextTick(() => {
            throw error;
          });
          return inner();
        }
        return store.run(stored, inner);
      };
    }
    return run();
  }
}

function channel(name) {
  if (typeof name !== "string" && typeof name !== "symbol") throw new ERR_INVALID_ARG_TYPE("channel", ["string", "symbol"], name);
  if (!channels.has(name)) channels.set(name, new Channel(name));
  return channels.get(name);
}

const EVENTS = ["start", "end", "asyncStart", "asyncEnd", "error"];
class TracingChannel {
  constructor(names) {
    for (const event of EVENTS) this[event] = typeof names === "string" ? channel(`tracing:${names}:${event}`) : names[event];
  }
  get hasSubscribers() { return EVENTS.some((event) => this[event]?.hasSubscribers); }
  subscribe(handlers) { for (const event of EVENTS) if (handlers[event]) this[event]?.subscribe(handlers[event]); }
  unsubscribe(handlers) { return EVENTS.every((event) => !handlers[event] || this[event]?.unsubscribe(handlers[event])); }
  traceSync(callback, context = {}, self, ...values) {
    return this.start.runStores(context, () => {
      try {
        return (context.result = Reflect.apply(callback, self, values));
      } catch (error) {
        context.error = error;
        this.error.publish(context);
        throw error;
      } finally {
        this.end.publish(context);
      }
    });
  }
  tracePromise(callback, context = {}, self, ...values) {
    const settled = (key) => (value) => {
      context[key] = value;
      if (key === "error") this.error.publish(context);
      this.asyncStart.publish(context);
      this.asyncEnd.publish(context);
      if (key === "error") throw value;
      return value;
    };
    return this.start.runStores(context, () => {
      try {
        return Promise.resolve(Reflect.apply(callback, self, values)).then(settled("result"), settled("error"));
      } catch (error) {
        context.error = error;
        this.error.publish(context);
        throw error;
      } finally {
        this.end.publish(context);
      }
    });
  }
  traceCallback(callback, position = -1, context = {}, self, ...values) {
    const given = values.at(position);
    checkFunction(given, "callback");
    const channels_ = this;
    values.splice(position, 1, function (error, result) {
      if (error) {
        context.error = error;
        channels_.error.publish(context);
      } else {
        context.result = result;
      }
      channels_.asyncStart.runStores(context, () => {
        try {
          return Reflect.apply(given, this, arguments);
        } finally {
          channels_.asyncEnd.publish(context);
        }
      });
    });
    return this.traceSync(callback, context, self, ...values);
  }
}

module.exports = {
  channel, Channel,
  hasSubscribers: (name) => channels.get(name)?.hasSubscribers ?? false,
  subscribe: (name, subscription) => channel(name).subscribe(subscription),
  unsubscribe: (name, subscription) => channel(name).unsubscribe(subscription),
  tracingChannel: (names) => new TracingChannel(names),
};
