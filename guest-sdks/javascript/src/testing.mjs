import testing from "./testing.cjs";

export const { InvocationError, Workspace, invoke } = testing;
