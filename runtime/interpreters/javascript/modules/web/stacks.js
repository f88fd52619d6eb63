// Stacks that the code of a translated function reads: with the places of what its author wrote. It costs an error nothing
// until somebody reads its stack.
const { defineProperty, getOwnPropertyDescriptor } = Object;
const { get, set } = getOwnPropertyDescriptor(Error.prototype, "stack");
const capture = Error.captureStackTrace;

const shown = (stack) => (typeof stack === "string" ? host.cleanStack(stack) : stack);

defineProperty(Error.prototype, "stack", {
  get() { return shown(get.call(this)); },
  set,
  configurable: true,
});

// Classes of errors call it in their constructors: what it writes is a property of the error's own.
Error.captureStackTrace = function captureStackTrace(target, ...filter) {
  capture.call(Error, target, ...filter);
  const { value } = getOwnPropertyDescriptor(target, "stack");
  defineProperty(target, "stack", {
    get: () => shown(value),
    set: (stack) => void defineProperty(target, "stack", { value: stack, writable: true, enumerable: false, configurable: true }),
    enumerable: false,
    configurable: true,
  });
};
