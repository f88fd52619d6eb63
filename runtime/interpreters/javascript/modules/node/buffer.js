// `Buffer`, of the npm package.
export * from "../node_modules/buffer/index.js";
