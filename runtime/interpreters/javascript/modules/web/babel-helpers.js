// `babelHelpers`: what the server's translation of TypeScript calls where syntax alone does not do, which is for decorators.
import decorate from "@oxc-project/runtime/helpers/decorate";
import decorateParam from "@oxc-project/runtime/helpers/decorateParam";

export const babelHelpers = { decorate, decorateParam };
