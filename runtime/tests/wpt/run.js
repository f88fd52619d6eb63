// Runs one file of the web platform tests, as `testharness.js` wants it outside of a browser, and answers its subtests.
//
// What the scripts declare is global, as it is for the script elements of a page. A leading semicolon takes strict mode off,
// in which it would not be.
const evaluate = (code) => (0, eval)(`;${code}`);

exports.handler = async ({ scripts, address, patience }) => {
  const page = new URL(address);
  globalThis.GLOBAL = { isWindow: () => false, isWorker: () => false, isShadowRealm: () => false };
  globalThis.location = { origin: page.origin, protocol: page.protocol, host: page.host, hostname: page.hostname, port: page.port, pathname: page.pathname, search: page.search, hash: page.hash, href: page.href, toString: () => page.href };
  // Addresses are relative to a page in these tests; here they are relative to nothing.
  const absolute = (input) => (typeof input === "string" ? new URL(input, page).href : input);
  const fetched = fetch;
  globalThis.fetch = (input, init) => fetched(absolute(input), init);
  globalThis.Request = new Proxy(Request, {
    construct: (target, [input, ...rest], made) => Reflect.construct(target, [absolute(input), ...rest], made === globalThis.Request ? target : made),
  });

  const subtests = [];
  const STATUS = ["pass", "fail", "timeout", "not run", "precondition failed"];
  const wellFormed = (text) => String(text).toWellFormed();
  let say;
  const harness = new Promise((resolve) => { say = resolve; });
  try {
    evaluate(scripts[0]);
    add_result_callback(({ name, status, message }) => {
      subtests.push({ name: wellFormed(name), status: STATUS[status], message: wellFormed(message ?? "") });
    });
    add_completion_callback((_, { status, message }) => {
      say(status === 0 ? null : status === 3 ? null : `${["", "error", "timeout"][status]}: ${message}`);
    });
    // `idlharness.js` checks what a window has.
    globalThis.Window = Object;
    evaluate(scripts.slice(1).join("\n;\n"));
  } catch (error) {
    say(`${error?.name}: ${error?.message}`);
  }
  const late = setTimeout(() => say("timeout: not all subtests have come to an end"), patience);
  const failure = await harness;
  clearTimeout(late);
  return { subtests, failure: failure && wellFormed(failure) };
};
