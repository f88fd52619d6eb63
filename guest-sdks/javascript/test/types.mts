/// <reference path="../types/globals.d.ts" />
// Read by tsc alone: what must be right is right, and what must be wrong is refused.
import { context, increment } from "./types.cjs";
import { Logger, Metrics, Tracer, parseTraceparent, secrets } from "thimble-sdk";
import type { Callback, Context, Handler, HttpEvent, HttpHandler } from "thimble-sdk";
import { InvocationError, Workspace, invoke } from "thimble-sdk/testing";
import { cache as values } from "thimble";

interface Order { id: string; price: number }

export const handler: Handler<Order, { total: number }> = async (event, context) => {
  cache[event.id] = event.price;
  const left: number = context.getRemainingTimeInMillis();
  context.waitUntil(Promise.resolve());
  const count: number = thimble.cache.increment("orders");
  const known: number | undefined = values.get<number>(event.id);
  const doubled = await functions.double(event);
  const other = await functions.call("double.twice", 1, 2);
  new Logger({ level: "debug", fields: { count, known } }).child({ left }).info("done", { doubled, other });
  return { total: event.price };
};
export const byCallback = (event: Order, context: Context, callback: Callback<number>) => callback(null, event.price);
export const web: HttpHandler = (event: HttpEvent) => ({ statusCode: 200, headers: { "x-a": 1 }, body: event.body ?? "" });

const metrics = new Metrics({ namespace: "shop", dimensions: { stage: "test" } });
metrics.gauge("load", 0.5);
const timed: Promise<number> = metrics.time("work", () => 1);
const traced: Promise<string> = new Tracer().trace("outer", async (span) => {
  await fetch("http://localhost", { headers: span.headers({ a: "b" }) });
  return span.span("inner").traceparent;
}, { parent: parseTraceparent("00-1-2-01") });
const secret: string = secrets.require("key");
const { result } = await invoke<{ total: number }>(handler, { id: "a", price: 1 }, { secrets: { key: "x" }, timeout: 5 });
const total: number = result.total;
const code: string | undefined = await new Workspace({ functions: { handler, body: "return 1", sum: { code: "return a", parameters: ["a"] } } })
  .invoke("handler").then(() => undefined, (error: InvocationError) => error.code);

// @ts-expect-error a handler's result has its type
export const wrong: Handler<Order, { total: number }> = () => ({ total: "x" });
// @ts-expect-error no such level
new Logger({ level: "loud" });
// @ts-expect-error a function is no JSON
values.set("a", () => 1);
// @ts-expect-error spans are made by a tracer
new (await import("thimble-sdk")).Span();
// @ts-expect-error what is known of the context only can be read
export const spoiled = (context: Context) => { context.requestId = ""; };

export { code, context, increment, secret, timed, total, traced };
