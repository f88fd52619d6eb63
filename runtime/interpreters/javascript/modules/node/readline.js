// `readline` over streams: lines, as events and one after the other. Nothing here is a terminal.
"use strict";
const EventEmitter = require("node:events");
const { StringDecoder } = require("node:string_decoder");
const { codes, coded } = require("thimble:node-errors");

class Interface extends EventEmitter {
  #rest = "";
  #skipsLineFeed = false;
  #decoder = new StringDecoder("utf8");
  #questions = [];
  #paused = false;
  #lines;
  constructor(input, output, completer, terminal) {
    super();
    const options = input?.input ? input : { input, output, completer, terminal };
    if (typeof options.input?.on !== "function") throw new codes.ERR_INVALID_ARG_TYPE("input", "stream.Readable", options.input);
    Object.assign(this, { input: options.input, output: options.output, terminal: false, line: "", cursor: 0, closed: false, history: [] });
    this.prompt_ = options.prompt ?? "> ";
    const onData = (chunk) => this.#feed(typeof chunk === "string" ? chunk : this.#decoder.write(chunk));
    const onEnd = () => {
      this.#feed(this.#decoder.end());
      if (this.#rest) this.#give(this.#rest);
      this.#rest = "";
      this.close();
    };
    this.input.on("data", onData);
    this.input.on("end", onEnd);
    this.input.on("error", (error) => this.emit("error", error));
    this.once("close", () => {
      this.input.removeListener("data", onData);
      this.input.removeListener("end", onEnd);
    });
    options.signal?.addEventListener("abort", () => this.close(), { once: true });
    this.input.resume?.();
  }
  #feed(text) {
    if (!text) return;
    if (this.#skipsLineFeed && text[0] === "\n") text = text.slice(1);
    this.#skipsLineFeed = false;
    this.#rest += text;
    const lines = this.#rest.split(/\r\n|\n|\r(?!$)|\u2028|\u2029/);
    this.#rest = lines.pop();
    if (this.#rest.endsWith("\r")) {
      lines.push(this.#rest.slice(0, -1));
      this.#rest = "";
      this.#skipsLineFeed = true;
    }
    for (const line of lines) this.#give(line);
  }
  #give(line) {
    const question = this.#questions.shift();
    if (question) question(line);
    else this.emit("line", line);
  }
  setPrompt(prompt) { this.prompt_ = prompt; }
  getPrompt() { return this.prompt_; }
  prompt() { this.output?.write(this.prompt_); }
  question(query, options, callback) {
    if (this.closed) throw coded(Error, "ERR_USE_AFTER_CLOSE", "readline was closed");
    this.output?.write(query);
    this.#questions.push(typeof options === "function" ? options : callback);
  }
  write(text) { this.#feed(`${text}`); }
  pause() {
    if (!this.#paused) {
      this.#paused = true;
      this.input.pause();
      this.emit("pause");
    }
    return this;
  }
  resume() {
    if (this.#paused) {
      this.#paused = false;
      this.input.resume();
      this.emit("resume");
    }
    return this;
  }
  close() {
    if (this.closed) return;
    this.closed = true;
    this.input.pause?.();
    this.emit("close");
  }
  getCursorPos() { return { rows: 0, cols: 0 }; }
  // One for all who ask: two loops share the lines.
  [Symbol.asyncIterator]() { return (this.#lines ??= lines(this)); }
}

// One line after the other; the input waits while many are unread.
function lines(source) {
  const iterator = EventEmitter.on(source, "line", { close: ["close"], highWaterMark: 1024 });
  return {
    async next() {
      const { value, done } = await iterator.next();
      return done ? { value: undefined, done: true } : { value: value[0], done: false };
    },
    async return() {
      source.close();
      return iterator.return();
    },
    [Symbol.asyncIterator]() { return this; },
  };
}

const createInterface = (...values) => new Interface(...values);
const nothing = (_, ...rest) => {
  const callback = rest.findLast((one) => typeof one === "function");
  if (callback) process.nextTick(callback);
  return true;
};
module.exports = {
  Interface, createInterface, clearLine: nothing, clearScreenDown: nothing, cursorTo: nothing, moveCursor: nothing, emitKeypressEvents() {},
  get promises() { return require("node:readline/promises"); },
};
