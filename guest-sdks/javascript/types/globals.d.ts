// The globals of a function on Thimble, and the module `thimble`. To have them: `/// <reference types="thimble-sdk/globals" />`,
// or `"types": ["thimble-sdk/globals"]` in a tsconfig.

declare const cache: import("./index").CacheProperties;
declare const functions: import("./index").Functions;
declare const thimble: import("./index").Thimble;

declare module "thimble" {
  type Thimble = import("./index").Thimble;
  export const cache: Thimble["cache"];
  export const secrets: Thimble["secrets"];
  export const functions: Thimble["functions"];
  export const log: Thimble["log"];
  export const context: Thimble["context"];
  const all: Thimble;
  export default all;
}
