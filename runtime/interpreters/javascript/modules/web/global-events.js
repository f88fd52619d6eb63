// The global object as a target of events: `error`, from what `reportError` and listeners report.
import { ErrorEvent, EventTarget, fire, listens, report } from "thimble:events";
import { need } from "thimble:webidl";

const target = new EventTarget();
const bound = (name) => {
  const { [name]: method } = EventTarget.prototype;
  return { [name](...values) { return method.apply(target, values); } }[name];
};
export const addEventListener = bound("addEventListener");
export const removeEventListener = bound("removeEventListener");
export const dispatchEvent = bound("dispatchEvent");

let reporting = false;
/** Tells the listeners of an error. Whether it is still to be logged. */
host.reported = (error) => {
  if (reporting || !listens(target, "error")) return true;
  reporting = true;
  try {
    const message = typeof error === "object" && error !== null && "message" in error ? `Uncaught ${error.name}: ${error.message}` : `Uncaught ${String(error)}`;
    return fire(target, new ErrorEvent("error", { error, message, cancelable: true }));
  } finally {
    reporting = false;
  }
};

export function reportError(error) {
  need(arguments.length, 1, "reportError");
  report(error);
}
