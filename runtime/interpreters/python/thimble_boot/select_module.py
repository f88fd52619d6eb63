"""The module `select`, on which CPython's own `selectors` stands: waiting for connections of the host."""

import errno

from . import connections
from .connections import READ, WRITE

error = OSError
POLLIN, POLLPRI, POLLOUT, POLLERR, POLLHUP, POLLNVAL = 1, 2, 4, 8, 16, 32
POLLRDNORM, POLLRDBAND, POLLWRNORM, POLLWRBAND, POLLMSG, POLLRDHUP = 64, 128, 256, 512, 1024, 8192
PIPE_BUF = 4096
_READS, _WRITES = POLLIN | POLLRDNORM, POLLOUT | POLLWRNORM


def _number(file):
    number = file if isinstance(file, int) else file.fileno()
    if not isinstance(number, int):
        raise TypeError("fileno() returned a non-integer")
    if number < 0:
        raise ValueError(f"file descriptor cannot be a negative integer ({number})")
    return number


def select(rlist, wlist, xlist, timeout=None, /):
    reads, writes = [(_number(each), each) for each in rlist], [(_number(each), each) for each in wlist]
    for each in xlist:
        _number(each)
    if timeout is not None and timeout < 0:
        raise ValueError("timeout must be non-negative")
    wanted = [(number, READ) for number, _ in reads] + [(number, WRITE) for number, _ in writes]
    found = set(connections.wait_ready(wanted, timeout))
    return ([each for number, each in reads if (number, READ) in found],
            [each for number, each in writes if (number, WRITE) in found], [])


class poll:
    """Descriptors, and what is wanted of each."""

    def __init__(self):
        self._events = {}

    def register(self, fd, eventmask=POLLIN | POLLPRI | POLLOUT, /):
        self._events[_number(fd)] = eventmask

    def modify(self, fd, eventmask, /):
        number = _number(fd)
        if number not in self._events:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        self._events[number] = eventmask

    def unregister(self, fd, /):
        del self._events[_number(fd)]

    def poll(self, timeout=None, /):
        """`timeout` is in milliseconds."""
        wanted = [(number, (READ if mask & _READS else 0) | (WRITE if mask & _WRITES else 0))
                  for number, mask in self._events.items()]
        seconds = None if timeout is None or timeout < 0 else timeout / 1000
        return [(number, (self._events[number] & _READS if now & READ else 0)
                 | (self._events[number] & _WRITES if now & WRITE else 0))
                for number, now in connections.wait_ready(wanted, seconds)]


__all__ = [name for name in globals() if name.startswith(("POLL", "PIPE")) or name in ("select", "poll", "error")]
