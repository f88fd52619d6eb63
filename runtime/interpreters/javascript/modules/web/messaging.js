// MessageChannel and MessagePort: both ends live in this instance.
import { EventTarget, fire, handlers, MessageEvent } from "thimble:events";
import { cloned } from "thimble:structured-clone";
import { finish, need, sequence } from "thimble:webidl";

let newPort;
let entangle;
export let isPort;
/** The port that will take another's place once that is transferred. */
export let successor;
/** Completes a transfer. */
export let hand;

export class MessagePort extends EventTarget {
  static #mayConstruct = false;
  #other = null;
  #queue = [];
  #enabled = false;
  #detached = false;
  constructor() {
    if (!MessagePort.#mayConstruct) throw new TypeError("Illegal constructor: use a MessageChannel");
    super();
  }
  static {
    newPort = () => {
      MessagePort.#mayConstruct = true;
      try {
        return new MessagePort();
      } finally {
        MessagePort.#mayConstruct = false;
      }
    };
    entangle = (one, other) => {
      one.#other = other;
      other.#other = one;
    };
    isPort = (value) => #queue in value;
    successor = (port) => {
      if (port.#detached) throw new DOMException("A detached MessagePort could not be cloned.", "DataCloneError");
      return newPort();
    };
    hand = (port, next) => {
      next.#queue = port.#queue;
      next.#other = port.#other;
      if (next.#other) next.#other.#other = next;
      port.#queue = [];
      port.#other = null;
      port.#detached = true;
    };
    handlers(MessagePort, ["message", "messageerror"], (port, type) => {
      if (type === "message") port.start();
    });
  }
  // A task of its own for a message: what it leads to comes before the next one.
  #deliver() {
    if (!this.#enabled) return;
    host.timer(0, () => {
      const message = this.#queue.shift();
      if (message === undefined || this.#detached) return;
      fire(this, new MessageEvent("message", { data: message.value, ports: message.ports }));
    });
  }
  postMessage(message, options = undefined) {
    this.#queue;
    need(arguments.length, 1, "postMessage");
    const listed = typeof options === "object" && options !== null && typeof options[Symbol.iterator] !== "function" ? options.transfer : options;
    const transfer = listed === undefined || listed === null ? [] : sequence(listed, "The list of what to transfer");
    if (transfer.includes(this)) throw new DOMException("A port cannot be transferred through itself", "DataCloneError");
    const sent = cloned(message, transfer);
    if (this.#other === null) return;
    this.#other.#queue.push(sent);
    this.#other.#deliver();
  }
  start() {
    if (this.#enabled) return;
    this.#enabled = true;
    for (const _ of this.#queue) this.#deliver();
  }
  close() {
    this.#queue;
    this.#detached = true;
    if (this.#other) this.#other.#other = null;
    this.#other = null;
  }
  ref() {}
  unref() {}
}
finish("MessagePort", MessagePort);

export class MessageChannel {
  #ports = [newPort(), newPort()];
  constructor() { entangle(...this.#ports); }
  get port1() { return this.#ports[0]; }
  get port2() { return this.#ports[1]; }
}
finish("MessageChannel", MessageChannel);
