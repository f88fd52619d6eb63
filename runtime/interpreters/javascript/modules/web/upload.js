// The body of a request that is sent while it is made: piece by piece, as fast as the peer takes it.
const { begin, feed, fed, giveUp } = host.natives("requests");

/// What one host call hands over.
const PIECE = 64 * 1024;

export { begin, giveUp };

/// Feeds bytes, or undefined for the end; `done` is told whether the peer still takes the body.
export function feedAll(request, bytes, done) {
  let at = 0;
  const next = () => {
    const piece = bytes?.subarray(at, at + PIECE);
    at += PIECE;
    let operation;
    try {
      operation = feed(request, piece, () => {
        const more = fed(operation);
        if (more && bytes && at < bytes.length) next();
        else done(more);
      });
    } catch (error) {
      // The request has ended; how, its own outcome tells.
      if (error.code !== "unknown-operation") throw error;
      queueMicrotask(() => done(false));
    }
  };
  if (bytes?.length === 0) queueMicrotask(() => done(true));
  else next();
}

const fedAll = (request, bytes) => new Promise((resolve) => feedAll(request, bytes, resolve));

/// Feeds all of a stream. Where it fails, the request breaks off and `failed` is called with the reason.
export async function upload(request, stream, failed) {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (!done && Object.prototype.toString.call(value) !== "[object Uint8Array]") throw new TypeError("The body's stream gives something that is no Uint8Array");
      if (!(await fedAll(request, done ? undefined : value))) return void reader.cancel().catch(() => {});
      if (done) return;
    }
  } catch (error) {
    giveUp(request);
    reader.cancel(error).catch(() => {});
    failed(error);
  }
}
