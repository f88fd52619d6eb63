import sdk from "./index.cjs";

export const { Logger, Metrics, Secrets, Span, Tracer, cache, context, functions, log, parseTraceparent, secrets } = sdk;
