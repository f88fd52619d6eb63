import { cache } from "thimble-sdk";

export async function handler(event) {
  cache.set("last", event.a);
  return cache.get("last") * 2;
}
