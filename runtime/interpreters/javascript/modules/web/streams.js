// The streams of the web, by the WHATWG's reference algorithms.
import * as streams from "web-streams-polyfill";
import { known } from "thimble:webidl";

export * from "web-streams-polyfill";
for (const made of Object.values(streams)) known(made);
