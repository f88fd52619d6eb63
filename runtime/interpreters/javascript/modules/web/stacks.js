// Stacks that the code of a translated function reads: with the places of what its author wrote. It costs an error nothing
// until somebody reads its stack.
const { get, set } = Object.getOwnPropertyDescriptor(Error.prototype, "stack");

Object.defineProperty(Error.prototype, "stack", {
  get() {
    const stack = get.call(this);
    return typeof stack === "string" ? host.cleanStack(stack) : stack;
  },
  set,
  configurable: true,
});
