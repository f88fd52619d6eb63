// What a function on Thimble sees, and the classes of this package.

/** A value that JSON can hold: what events, results and the cache are made of. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json | undefined };

/** The invocation: a handler's second argument. */
export interface Context {
  /** Unique to this invocation; the answer carries it as `x-request-id`. */
  readonly requestId: string;
  readonly awsRequestId: string;
  readonly workspace: string;
  readonly functionName: string;
  /** The deployment that serves the invocation. */
  readonly functionVersion: string;
  readonly invokedFunctionArn: string;
  readonly memoryLimitInMB: number;
  /** What the invocation may take in all. */
  readonly timeoutInMillis: number;
  readonly logGroupName: string;
  readonly logStreamName: string;
  /** Who called, by the name of the caller's token. */
  readonly identity: string | undefined;
  readonly clientContext: undefined;
  callbackWaitsForEmptyEventLoop: boolean;
  getRemainingTimeInMillis(): number;
  /** The invocation goes on until the promise is settled, though its answer is on its way. */
  waitUntil(promise: unknown): void;
}

export type Callback<Result = unknown> = (error?: Error | string | null, result?: Result) => void;

/** A function of an event. With a third parameter, it may answer by the callback instead. */
export type Handler<Event = any, Result = any> = (event: Event, context: Context, callback: Callback<Result>) => Result | Promise<Result> | void;

/** The event of a function that is called under `…/http/{function}/…`. */
export interface HttpEvent {
  version: "2.0";
  method: string;
  /** What follows the function's name. */
  path: string;
  query: Record<string, string>;
  rawPath: string;
  rawQueryString: string;
  /** Names in lower case; repeated headers are joined by commas. */
  headers: Record<string, string>;
  queryStringParameters: Record<string, string>;
  requestContext: { requestId: string; timeEpoch: number; http: { method: string; path: string; protocol: string } };
  /** Base64 where `isBase64Encoded`. */
  body?: string;
  isBase64Encoded: boolean;
}

/** A result that is the HTTP answer itself. */
export interface HttpResult {
  statusCode: number;
  headers?: Record<string, string | number | boolean>;
  multiValueHeaders?: Record<string, (string | number | boolean)[]>;
  cookies?: string[];
  /** Text, or any JSON. */
  body?: Json;
  isBase64Encoded?: boolean;
}

export type HttpHandler = (event: HttpEvent, context: Context) => HttpResult | Json | Promise<HttpResult | Json>;

/** Values that outlive an invocation, shared by all functions of the workspace. */
export interface Cache {
  get<Value extends Json = any>(key: string): Value | undefined;
  set(key: string, value: Json): boolean;
  /** Whether there was something to delete. */
  delete(key: string): boolean;
  keys(): string[];
  /** Adds in one step, whatever other instances do meanwhile; an absent key counts as 0. */
  increment(key: string, by?: number): number;
}

/** The global `cache`: the same values as properties. */
export interface CacheProperties {
  [key: string]: any;
}

/** Another function of the workspace: called with one event, or with values in the order of its declared parameters. */
export interface WorkspaceFunction {
  (...values: any[]): Promise<any>;
  /** One of its entry points. */
  [entry: string]: any;
}

export interface Functions {
  call(name: string, ...values: any[]): Promise<any>;
  [name: string]: WorkspaceFunction;
}

/** Log lines as the server keeps them; objects are shown as `console.log` shows them. */
export interface Log {
  debug(...values: unknown[]): void;
  info(...values: unknown[]): void;
  warn(...values: unknown[]): void;
  error(...values: unknown[]): void;
}

/** The module `thimble`, which is the global of that name too. */
export interface Thimble {
  readonly cache: Cache;
  /** Not while the top level runs. */
  readonly secrets: { get(name: string): string | undefined };
  readonly functions: Functions;
  readonly log: Log;
  readonly context: Context;
}

/** What an error has that a call of another function rejects with. */
export interface CallError extends Error {
  /** `function_error`, `timeout`, `memory_limit`, `function_not_found`, `recursion_limit`, … */
  code: string;
}

export const cache: Cache;
export const functions: Functions;
export const log: Log;
export const context: Context;

export type Level = "debug" | "info" | "warn" | "error";
export type Fields = Record<string, unknown>;

/** Structured log lines: one JSON object a call, with the invocation's id. */
export class Logger {
  /** The level is that of the variable `LOG_LEVEL`, or `info`. */
  constructor(options?: { level?: Level | "silent"; fields?: Fields });
  readonly level: Level | "silent";
  setLevel(level: Level | "silent"): void;
  isEnabled(level: Level): boolean;
  /** A logger of the same level with more fields. */
  child(fields: Fields): Logger;
  debug(message: string | Error, fields?: Fields | Error): void;
  info(message: string | Error, fields?: Fields | Error): void;
  warn(message: string | Error, fields?: Fields | Error): void;
  error(message: string | Error, fields?: Fields | Error): void;
}

/** Metrics as log lines in the embedded metric format. */
export class Metrics {
  constructor(options?: { namespace?: string; dimensions?: Record<string, string | number> });
  /** So many more of it. */
  count(name: string, by?: number): void;
  /** What it is now: the last one counts. */
  gauge(name: string, value: number, unit?: string): void;
  /** One of several values. */
  record(name: string, value: number, unit?: string): void;
  /** Starts a timer; what is answered stops it, once, and answers the milliseconds. */
  timer(name: string): () => number;
  /** Times a function, whether it succeeds or not. */
  time<Result>(name: string, work: () => Result | Promise<Result>): Promise<Result>;
  /** Writes what was gathered. To be called before the function answers. */
  flush(): void;
}

export interface TraceContext {
  traceId: string;
  spanId: string;
  sampled: boolean;
}

export interface SpanOptions {
  /** A span, the text of a `traceparent`, or an HTTP event that may carry one. */
  parent?: TraceContext | string | { headers: Record<string, string | undefined> };
  attributes?: Fields;
}

export class Span implements TraceContext {
  private constructor();
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | undefined;
  readonly sampled: boolean;
  readonly traceparent: string;
  set(name: string, value: unknown): this;
  /** Notes that the span failed. */
  fail(error: unknown): this;
  /** A span inside this one. */
  span(name: string, options?: { attributes?: Fields }): Span;
  /** Headers that carry the trace on, for `fetch`. */
  headers(more?: HeadersInit): Headers;
  /** Writes the span, once. */
  end(): void;
}

/** Spans with W3C trace context; each is a log line once it ends. */
export class Tracer {
  constructor(options?: { service?: string });
  span(name: string, options?: SpanOptions): Span;
  /** Runs a function within a span, which ends with it. */
  trace<Result>(name: string, work: (span: Span) => Result | Promise<Result>, options?: SpanOptions): Promise<Result>;
}

/** The ids in a `traceparent`, or undefined where it is not one. */
export function parseTraceparent(text: string | null | undefined): TraceContext | undefined;

/** The workspace's secrets; to be read inside a function, not at its top level. */
export class Secrets {
  get(name: string): string | undefined;
  /** An error that names the secret where it is missing. */
  require(name: string): string;
  /** The value, parsed as JSON. */
  json<Value = any>(name: string): Value;
}

export const secrets: Secrets;
