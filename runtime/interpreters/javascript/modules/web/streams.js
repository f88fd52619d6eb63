// The streams of the web, by the WHATWG's reference algorithms.
export * from "web-streams-polyfill";
