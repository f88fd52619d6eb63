// FileReader, for what was written before blobs had promises.
import { bytesOfBlob, isBlob } from "thimble:blob";
import { EventTarget, fire, handlers, ProgressEvent } from "thimble:events";
import { parse } from "thimble:mime";
import { finish, need, string } from "thimble:webidl";

const { encodingName, decode } = host;
const [EMPTY, LOADING, DONE] = [0, 1, 2];

function textOf(bytes, label, type) {
  const { TextDecoder } = host.require("thimble:encoding");
  // A byte order mark says more than a label, and a label more than the type.
  const mark = bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : undefined;
  const charset = parse(type)?.parameters.get("charset");
  const name = mark ?? (label === undefined ? undefined : encodingName(label)) ?? (charset === undefined ? undefined : encodingName(charset)) ?? "utf-8";
  return name === "utf-8" ? decode(bytes, false, false) : new TextDecoder(name).decode(bytes);
}

const FORMS = {
  ArrayBuffer: (bytes) => bytes.slice().buffer,
  BinaryString: (bytes) => new (host.require("thimble:encoding").TextDecoder)("x-user-defined").decode(bytes).replace(/[\uf780-\uf7ff]/g, (unit) => String.fromCharCode(unit.charCodeAt(0) & 0xff)),
  DataURL: (bytes, type) => `data:${type || "application/octet-stream"};base64,${bytes.toBase64()}`,
};

export class FileReader extends EventTarget {
  #state = EMPTY;
  #result = null;
  #error = null;
  // Which reading it is: one that was aborted comes to nothing.
  #turn = 0;
  #read(blob, form) {
    if (!isBlob(blob)) throw new TypeError("What is to be read is no Blob");
    if (this.#state === LOADING) throw new DOMException("Another reading is under way", "InvalidStateError");
    this.#state = LOADING;
    this.#result = this.#error = null;
    const turn = ++this.#turn;
    const bytes = bytesOfBlob(blob);
    const progress = { lengthComputable: true, total: bytes.length };
    const step = (type, loaded) => fire(this, new ProgressEvent(type, { ...progress, loaded }));
    const later = (action) => host.timer(0, () => { if (turn === this.#turn) action(); });
    later(() => {
      step("loadstart", 0);
      later(() => {
        if (bytes.length) step("progress", bytes.length);
        later(() => {
          this.#state = DONE;
          this.#result = form(bytes, blob.type);
          step("load", bytes.length);
          later(() => { if (this.#state !== LOADING) step("loadend", bytes.length); });
        });
      });
    });
  }
  readAsArrayBuffer(blob) {
    need(arguments.length, 1, "readAsArrayBuffer");
    this.#read(blob, FORMS.ArrayBuffer);
  }
  readAsBinaryString(blob) {
    need(arguments.length, 1, "readAsBinaryString");
    this.#read(blob, FORMS.BinaryString);
  }
  readAsText(blob, encoding = undefined) {
    need(arguments.length, 1, "readAsText");
    const label = encoding === undefined ? undefined : string(encoding);
    this.#read(blob, (bytes, type) => textOf(bytes, label, type));
  }
  readAsDataURL(blob) {
    need(arguments.length, 1, "readAsDataURL");
    this.#read(blob, FORMS.DataURL);
  }
  abort() {
    if (this.#state !== LOADING) {
      this.#result = null;
      return;
    }
    this.#turn++;
    this.#state = DONE;
    this.#result = null;
    this.#error = new DOMException("The reading was aborted", "AbortError");
    fire(this, new ProgressEvent("abort"));
    if (this.#state !== LOADING) fire(this, new ProgressEvent("loadend"));
  }
  get readyState() { return this.#state; }
  get result() { return this.#result; }
  get error() { return this.#error; }
}
handlers(FileReader, ["loadstart", "progress", "load", "abort", "error", "loadend"]);
finish("FileReader", FileReader, { EMPTY, LOADING, DONE });
