"""TCP connections of the host, as descriptors that several objects may share, and what can be waited for on them.

A connection is read ahead by one piece at most, and only when somebody asks whether it can be read. It outlives an
invocation, but no operation does: `waiting.generation` tells whether one is still under way. What is sent is taken over
at once, as a kernel would; `settle` sees to it that it leaves before the invocation ends.
"""

import errno
import itertools

from componentize_py_types import Err
from wit_world.imports import tcp as host

from . import waiting

# Bytes that one operation sends.
_PIECE = 256 * 1024
# Seconds that an invocation which has its result still gives to what it sends.
_LINGER = 2.0

READ, WRITE = 1, 2

# Beyond the numbers that files get.
_numbers = itertools.count(1 << 20)
_open = {}
_sending = set()


class NameNotResolved(Exception):
    """To be raised as `socket.gaierror`, which is not there yet."""


def explain(error):
    """The host's failure as the exception that Python has for it."""
    # The bindings keep the error in a variable of the frame that raises it: with its traceback, it would keep that frame
    # and its callers' variables, open sockets among them, until the collector comes by.
    error.with_traceback(None)
    code, message = error.value.code, error.value.message
    match code:
        case host.FailureCode.DESTINATION_PROHIBITED:
            return PermissionError(errno.EACCES, message)
        case host.FailureCode.NAME_NOT_RESOLVED:
            return NameNotResolved(message)
        case host.FailureCode.REFUSED:
            return ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        case host.FailureCode.TIMED_OUT:
            return TimeoutError(errno.ETIMEDOUT, message)
        case host.FailureCode.LIMIT_EXCEEDED:
            return OSError(errno.EMFILE, message)
        case host.FailureCode.INVALID_ARGUMENT:
            return OSError(errno.EINVAL, message)
    return ConnectionResetError(errno.ECONNRESET, message)


class Connection:
    """What a descriptor stands for: nothing yet, a connection, or one that failed."""

    def __init__(self):
        self.local = self.remote = None
        # Why it failed; whoever uses it next is told.
        self.error = None
        self._number = None
        self._references = 1
        self._piece = b""
        self._ended = self._finishing = self._closed = False
        # Operations with the generations in which they began, while they are under way.
        self._connecting = self._reading = None
        self._writing = None

    # Connecting.

    def connect(self, name, port):
        try:
            operation = host.connect(name, port, None)
        except Err as error:
            raise explain(error) from None
        self._connecting = operation, waiting.generation()
        waiting.watch(operation, self._connected)

    def _connected(self, operation):
        self._connecting = None
        try:
            made = host.connected(operation)
        except Err as error:
            self.error = explain(error)
            return
        self._number, self.local, self.remote = made.connection, made.local, made.remote

    @property
    def connecting(self):
        if self._connecting is not None and self._connecting[1] != waiting.generation():
            self._connecting = None
            self.error = ConnectionAbortedError(errno.ECONNABORTED, "the invocation that connected has ended")
        return self._connecting is not None

    @property
    def connected(self):
        return self._number is not None

    def give_up_connecting(self):
        if self.connecting:
            # What comes of it is taken and closed: the host counts it until then.
            waiting.watch(self._connecting[0], _discard)
            self._connecting = None

    def take_error(self):
        error, self.error = self.error, None
        return error

    # Receiving.

    def readable(self):
        """Whether `read` has something to say. If not, it is looked for from now on."""
        if self.connecting:
            return False
        if self._piece or self._ended or self.error is not None or self._number is None:
            return True
        if self._reading is None or self._reading[1] != waiting.generation():
            try:
                operation = host.readable(self._number)
            except Err as error:
                self.error = explain(error)
                return True
            self._reading = operation, waiting.generation()
            waiting.watch(operation, self._arrived)
        return False

    def _arrived(self, _):
        self._reading = None
        if self._number is None:
            return
        try:
            piece = host.receive(self._number)
        except Err as error:
            self.error = explain(error)
            return
        if piece is None:
            self._ended = True
        else:
            self._piece = piece

    def read(self, size, keep=False):
        """At most so many bytes of what is there; none at the end. Only when `readable`."""
        if not self._piece and self.error is not None:
            raise self.take_error()
        piece = self._piece[:size]
        if not keep:
            self._piece = self._piece[size:]
        return piece

    def end_reading(self):
        self._ended, self._piece = True, b""

    # Sending.

    def writable(self):
        """Whether the last piece has left, or sending it has failed."""
        return not self.connecting and (self._writing is None or not self._still_writing())

    def _still_writing(self):
        if self._writing == waiting.generation():
            return True
        self._writing = None
        self._fail(ConnectionResetError(errno.ECONNRESET, "the invocation that was sending has ended"))
        return False

    def write(self, data):
        """Takes over as many of the bytes as it can, and answers how many. Only when `writable`."""
        if self.error is not None:
            raise self.take_error()
        if self._finishing or self._number is None:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        piece = bytes(data[:_PIECE])
        if piece:
            self._start(host.send, piece)
        return len(piece)

    def finish(self):
        """Sends no more, once what there is has left."""
        if not self._finishing:
            self._finishing = True
            if self.writable() and self._number is not None:
                self._start(host.finish)

    def _start(self, operate, *values):
        try:
            operation = operate(self._number, *values)
        except Err as error:
            raise explain(error) from None
        self._writing = waiting.generation()
        _sending.add(self)
        last = operate is host.finish
        waiting.watch(operation, lambda operation: self._sent(operation, last))

    def _sent(self, operation, last):
        self._writing = None
        _sending.discard(self)
        try:
            host.sent(operation)
        except Err as error:
            self._fail(explain(error))
        if self._closed:
            self._release()
        elif self._finishing and not last and self.error is None:
            try:
                self._start(host.finish)
            except OSError as error:
                self._fail(error)

    def _fail(self, error):
        # What the peer had to say before is still of use.
        if not self._finishing:
            self.error = error

    # The end.

    def share(self):
        self._references += 1
        return self

    def drop(self):
        """One object less has it."""
        self._references -= 1
        if self._references > 0:
            return
        self._closed = True
        self.give_up_connecting()
        if self._writing is None or not self._still_writing():
            self._release()

    def _release(self):
        number, self._number = self._number, None
        _sending.discard(self)
        if self._reading is not None:
            waiting.cancel(self._reading[0])
            self._reading = None
        if number is not None:
            host.close(number)


def _discard(operation):
    try:
        host.close(host.connected(operation).connection)
    except Err:
        pass


# Descriptors.

def register(connection):
    """A descriptor for it."""
    number = next(_numbers)
    _open[number] = connection
    return number


def of(number):
    """The connection of a descriptor; None where it is no connection's."""
    return _open.get(number)


def close(number):
    connection = _open.pop(number, None)
    if connection is None:
        raise OSError(errno.EBADF, "Bad file descriptor")
    connection.drop()


# Waiting.

def wait(done, timeout):
    """Waits until `done()` holds; TimeoutError after so many seconds, None for no end."""
    if done():
        return
    if timeout is None:
        waiting.block_until(done)
        return
    late = []
    timer = waiting.start_timer(timeout, late.append)
    try:
        waiting.block_until(lambda: done() or late)
    finally:
        if not late:
            waiting.cancel(timer)
    if not done():
        raise TimeoutError("timed out")


def ready(wanted):
    """Of pairs of a descriptor and what is wanted of it: what is so now. A file is always ready."""
    found = []
    for number, mask in wanted:
        connection = _open.get(number)
        if connection is None:
            found.append((number, mask))
            continue
        now = (READ if mask & READ and connection.readable() else 0) | (
            WRITE if mask & WRITE and connection.writable() else 0)
        if now:
            found.append((number, now))
    return found


def wait_ready(wanted, timeout):
    """As `ready`, after waiting so many seconds for one of them at most."""
    found = []
    if not wanted and timeout == 0:
        return found

    def done():
        found[:] = ready(wanted)
        return found

    try:
        wait(done, timeout)
    except TimeoutError:
        pass
    return found


def settle():
    """Lets what is being sent leave, before the invocation ends."""
    if _sending:
        try:
            wait(lambda: not any(connection._writing is not None and connection._still_writing()
                                 for connection in list(_sending)), _LINGER)
        except (TimeoutError, RuntimeError, waiting.NeverSettles):
            pass
        _sending.clear()
