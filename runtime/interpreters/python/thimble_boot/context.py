"""The context that a handler gets beside the event: who runs, for whom, and how much time is left.

The host is asked when the first field is read, as most functions read none.
"""

from wit_world.imports import context as host

_current = None


class Identity:
    """Who called: the name of the caller's token, or None."""

    __slots__ = ("caller", "cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self, caller):
        self.caller = caller
        self.cognito_identity_id = self.cognito_identity_pool_id = None

    def __repr__(self):
        return f"Identity(caller={self.caller!r})"


class Context:
    """One invocation's context. Every field has its name in camelCase, too."""

    __slots__ = ("_known",)

    def __init__(self):
        self._known = None

    def _invocation(self):
        if self._known is None:
            self._known = host.current()
        return self._known

    @property
    def request_id(self):
        return self._invocation().request_id

    @property
    def workspace(self):
        return self._invocation().workspace

    @property
    def function_name(self):
        return self._invocation().function

    @property
    def function_version(self):
        return self._invocation().version

    @property
    def invoked_function_arn(self):
        known = self._invocation()
        return f"thimble:{known.workspace}:{known.function}:{known.version}"

    @property
    def memory_limit_in_mb(self):
        return self._invocation().memory_limit_mib

    @property
    def log_group_name(self):
        known = self._invocation()
        return f"/thimble/{known.workspace}/{known.function}"

    @property
    def log_stream_name(self):
        known = self._invocation()
        return f"{known.version}/{known.request_id}"

    @property
    def identity(self):
        return Identity(self._invocation().caller)

    @property
    def client_context(self):
        return None

    def get_remaining_time_in_millis(self):
        return host.remaining_ms()

    awsRequestId = aws_request_id = requestId = request_id
    functionName = function_name
    functionVersion = function_version
    invokedFunctionArn = invoked_function_arn
    memoryLimitInMB = memoryLimitInMb = memory_limit_in_mb
    logGroupName = log_group_name
    logStreamName = log_stream_name
    clientContext = client_context
    getRemainingTimeInMillis = get_remaining_time_in_millis

    def __repr__(self):
        known = self._invocation()
        return f"Context(request_id={known.request_id!r}, function_name={known.function!r})"


class CurrentContext:
    """`thimble.context`: whichever invocation runs now."""

    def __getattr__(self, name):
        return getattr(_current or Context(), name)

    def __repr__(self):
        return repr(_current or Context())


def begin():
    """The context of the invocation that begins."""
    global _current
    _current = Context()
    return _current
