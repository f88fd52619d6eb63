// URLPattern, by a polyfill from the browsers that proposed it.
import { URLPattern } from "urlpattern-polyfill/urlpattern";
import { finish } from "thimble:webidl";

finish("URLPattern", URLPattern);
export { URLPattern };
