import type { CacheProperties, Context, Handler, Json } from "./index";

/** What can be invoked: a handler, what a module exports (`await import(…)`, `require(…)`), or the source of a body, an arrow or CommonJS. */
export type Invocable = Handler<any, any> | Record<string, unknown> | string | Declared;

/** Source with its declared parameters, in order. */
export interface Declared {
  code: string;
  parameters?: string[];
}

export interface WorkspaceOptions {
  name?: string;
  env?: Record<string, string>;
  secrets?: Record<string, string>;
  /** The other functions, by the names that they are called by. */
  functions?: Record<string, Invocable>;
  /** What is in the cache already. */
  cache?: Record<string, Json>;
}

export interface InvocationOptions {
  /** One of the function's entry points instead of its own handler. */
  entry?: string;
  functionName?: string;
  /** The declared parameters of a function body, in order. */
  parameters?: string[];
  env?: Record<string, string>;
  /** Milliseconds; 20,000 if not given. */
  timeout?: number;
  /** MiB, for the context; not enforced. */
  memory?: number;
  caller?: string;
  requestId?: string;
  /** Whether log lines are printed too. */
  print?: boolean;
}

export interface LogEntry {
  level: "debug" | "info" | "warn" | "error";
  time: string;
  message: string;
}

export interface Invocation<Result = any> {
  result: Result;
  logs: LogEntry[];
  /** Milliseconds. */
  duration: number;
}

/** Why a function has no result; `cause` is what it threw. */
export class InvocationError extends Error {
  /** As the server answers it: `function_error`, `result_not_json`, `timeout`, `syntax_error`, `no_handler`, `function_not_found`. */
  readonly code: string;
  readonly logs: LogEntry[];
}

/** What functions share: cache, secrets, environment, each other. */
export class Workspace {
  constructor(options?: WorkspaceOptions);
  name: string;
  readonly version: string;
  env: Record<string, string>;
  secrets: Record<string, string>;
  readonly cache: CacheProperties;
  /** Invokes a function, or the one of this name. */
  invoke<Result = any>(fn: Invocable, event?: Json | object, options?: InvocationOptions): Promise<Invocation<Result>>;
}

/** Invokes a function in a workspace of its own, or in the one that is given. */
export function invoke<Result = any>(
  fn: Invocable,
  event?: Json | object,
  options?: InvocationOptions & Omit<WorkspaceOptions, "name"> & { workspace?: string | Workspace },
): Promise<Invocation<Result>>;

export type { Context };
