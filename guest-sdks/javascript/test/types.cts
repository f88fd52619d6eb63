import sdk = require("thimble-sdk");

export const context: sdk.Context = sdk.context;
export const increment = (): number => sdk.cache.increment("a", 2);
