"""The module `_socket`, on which CPython's own `socket` stands: TCP clients over the host's connections."""

import errno
import types

from . import connections
from .addresses import *  # noqa: F403
from .addresses import family_of, name_of, unknown
from .socket_constants import *  # noqa: F403
from .socket_constants import (AF_INET, AF_INET6, IPPROTO_TCP, MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL, SHUT_RD, SHUT_RDWR,
                               SHUT_WR, SO_ERROR, SO_PROTOCOL, SO_DOMAIN, SO_TYPE, SOCK_CLOEXEC, SOCK_NONBLOCK,
                               SOCK_STREAM, SOL_SOCKET)

error = OSError
timeout = TimeoutError
has_ipv6 = True
_default_timeout = None


def getdefaulttimeout():
    return _default_timeout


def setdefaulttimeout(timeout):
    global _default_timeout
    _default_timeout = _checked_timeout(timeout)


def _checked_timeout(seconds):
    if seconds is None:
        return None
    seconds = float(seconds)
    if seconds != seconds:
        raise ValueError("Invalid value NaN (not a number)")
    if seconds < 0:
        raise ValueError("Timeout value out of range")
    return seconds


def _cannot(what):
    return OSError(errno.EOPNOTSUPP, f"{what} is not possible here: a function opens TCP connections to others and is "
                                     "called by the server; see `egress` for what it may reach")


class socket:
    """What `socket.socket` inherits from."""

    __slots__ = ("_fd", "_connection", "_family", "_type", "_proto", "_timeout", "_options")

    def __new__(cls, *_, **__):
        self = object.__new__(cls)
        self._fd, self._connection, self._timeout, self._options = -1, None, _default_timeout, {}
        self._family, self._type, self._proto = AF_INET, SOCK_STREAM, 0
        return self

    def __init__(self, family=-1, type=-1, proto=-1, fileno=None):
        if fileno is not None:
            connection = connections.of(fileno)
            if connection is None:
                raise OSError(errno.EBADF, "Bad file descriptor")
            self._fd, self._connection = fileno, connection
        family, type = AF_INET if family == -1 else int(family), SOCK_STREAM if type == -1 else int(type)
        if type & SOCK_NONBLOCK:
            self._timeout = 0.0
        type &= ~(SOCK_NONBLOCK | SOCK_CLOEXEC)
        if family not in (AF_INET, AF_INET6):
            raise OSError(errno.EAFNOSUPPORT, "only sockets of AF_INET and AF_INET6 are there: a function opens TCP "
                                              "connections, and none in the file system")
        if type != SOCK_STREAM or proto not in (-1, 0, IPPROTO_TCP):
            raise OSError(errno.EPROTONOSUPPORT, "only SOCK_STREAM is there: a function opens TCP connections, and "
                                                 "sends no datagrams")
        self._family, self._type, self._proto = family, type, max(proto, 0)
        if fileno is None:
            self._connection = connections.Connection()
            self._fd = connections.register(self._connection)

    family = property(lambda self: self._family)
    type = property(lambda self: self._type)
    proto = property(lambda self: self._proto)
    timeout = property(lambda self: self._timeout)

    def __del__(self):
        try:
            self.close()
        except (AttributeError, OSError):
            pass

    def fileno(self):
        return self._fd

    def close(self):
        number, self._fd, self._connection = self._fd, -1, None
        if number != -1:
            connections.close(number)

    def detach(self):
        number, self._fd, self._connection = self._fd, -1, None
        return number

    # How long a call may wait.

    def settimeout(self, timeout, /):
        self._timeout = _checked_timeout(timeout)

    def gettimeout(self):
        return self._timeout

    def setblocking(self, flag, /):
        self._timeout = None if flag else 0.0

    def getblocking(self):
        return self._timeout != 0

    def _alive(self):
        connection = self._connection
        if connection is None:
            raise OSError(errno.EBADF, "Bad file descriptor")
        return connection

    def _established(self):
        connection = self._alive()
        if not connection.connected and not connection.connecting and connection.error is None:
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")
        return connection

    def _wait(self, done, flags=0):
        if self._timeout == 0 or flags & MSG_DONTWAIT:
            if not _now(done):
                raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        else:
            connections.wait(done, self._timeout)

    # Connecting.

    def connect(self, address, /):
        connection = self._alive()
        if connection.connected:
            raise OSError(errno.EISCONN, "Transport endpoint is already connected")
        if connection.connecting:
            raise OSError(errno.EALREADY, "Operation already in progress")
        failed = connection.take_error()
        if failed is not None:
            raise _named(failed)
        try:
            connection.connect(*self._target(address))
        except connections.NameNotResolved as error:
            raise _named(error) from None
        if self._timeout == 0:
            raise BlockingIOError(errno.EINPROGRESS, "Operation now in progress")
        try:
            connections.wait(lambda: not connection.connecting, self._timeout)
        except TimeoutError:
            connection.give_up_connecting()
            raise
        failed = connection.take_error()
        if failed is not None:
            raise _named(failed)

    def connect_ex(self, address, /):
        try:
            self.connect(address)
        except gaierror:  # noqa: F405
            raise
        except TimeoutError as error:
            return error.errno or errno.EAGAIN
        except OSError as error:
            if error.errno is None:
                raise
            return error.errno
        return 0

    def _target(self, address):
        if not isinstance(address, tuple):
            raise TypeError(f"connect(): {'AF_INET' if self._family == AF_INET else 'AF_INET6'} address must be tuple, "
                            f"not {type(address).__name__}")
        if not 2 <= len(address) <= 4:
            raise TypeError("connect(): address must be a pair (host, port)")
        host, port = address[:2]
        port = port.__index__()
        if not 0 <= port <= 65535:
            raise OverflowError("connect(): port must be 0-65535.")
        name = name_of(host)
        own = family_of(name)
        if own is not None and own != self._family:
            raise gaierror(EAI_ADDRFAMILY, "Address family for hostname not supported")  # noqa: F405
        return name, port

    def take_connect_error(self):
        """Why connecting failed, with all that the host says about it; None where it did not."""
        failed = self._alive().take_error()
        return None if failed is None else _named(failed)

    # Receiving.

    def recv(self, bufsize, flags=0, /):
        size = bufsize.__index__()
        if size < 0:
            raise ValueError("negative buffersize in recv")
        connection = self._established()
        if size == 0:
            return b""
        self._wait(connection.readable, flags)
        piece = _named_read(connection, size, bool(flags & MSG_PEEK))
        if flags & MSG_WAITALL and not flags & MSG_PEEK:
            pieces = [piece]
            size -= len(piece)
            while size and piece:
                self._wait(connection.readable, flags)
                piece = _named_read(connection, size, False)
                pieces.append(piece)
                size -= len(piece)
            return b"".join(pieces)
        return piece

    def recv_into(self, buffer, nbytes=0, flags=0):
        with memoryview(buffer) as view, view.cast("B") as target:
            if nbytes < 0:
                raise ValueError("negative buffersize in recv_into")
            if nbytes > len(target):
                raise ValueError("buffer too small for requested bytes")
            piece = socket.recv(self, nbytes or len(target), flags)
            target[:len(piece)] = piece
            return len(piece)

    def recvfrom(self, bufsize, flags=0, /):
        return socket.recv(self, bufsize, flags), None

    def recvfrom_into(self, buffer, nbytes=0, flags=0):
        return socket.recv_into(self, buffer, nbytes, flags), None

    # Sending.

    def send(self, data, flags=0, /):
        connection = self._established()
        with memoryview(data) as view, view.cast("B") as bytes_of:
            self._wait(connection.writable, flags)
            size = connection.write(bytes_of)
        if self._timeout != 0 and not flags & MSG_DONTWAIT:
            connections.wait(connection.writable, self._timeout)
        return size

    def sendall(self, data, flags=0, /):
        with memoryview(data) as view, view.cast("B") as rest:
            done = 0
            while done < len(rest):
                done += socket.send(self, rest[done:], flags)

    def sendto(self, data, *flags_and_address):
        if len(flags_and_address) not in (1, 2):
            raise TypeError(f"sendto() takes 2 or 3 arguments ({1 + len(flags_and_address)} given)")
        return socket.send(self, data, flags_and_address[0] if len(flags_and_address) == 2 else 0)

    def sendmsg(self, buffers, ancdata=(), flags=0, address=None, /):
        if ancdata:
            raise _cannot("sending ancillary data")
        return socket.send(self, b"".join(buffers), flags)

    def shutdown(self, how, /):
        if how not in (SHUT_RD, SHUT_WR, SHUT_RDWR):
            raise OSError(errno.EINVAL, "Invalid argument")
        connection = self._alive()
        if not connection.connected:
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")
        if how != SHUT_RD:
            connection.finish()
            if self._timeout != 0:
                connections.wait(connection.writable, self._timeout)
        if how != SHUT_WR:
            connection.end_reading()

    # What is known of it.

    def getpeername(self):
        connection = self._alive()
        if not connection.connected:
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")
        return self._address(connection.remote)

    def getsockname(self):
        connection = self._alive()
        if not connection.connected:
            return self._address(("0.0.0.0" if self._family == AF_INET else "::", 0))
        return self._address(connection.local)

    def _address(self, place):
        return tuple(place) if self._family == AF_INET else (*place, 0, 0)

    def getsockopt(self, level, optname, buflen=0, /):
        connection = self._alive()
        if level == SOL_SOCKET and optname == SO_ERROR:
            failed = None if connection.connecting else connection.take_error()
            value = 0 if failed is None else getattr(failed, "errno", None) or errno.ENOENT
        elif level == SOL_SOCKET and optname in (SO_TYPE, SO_DOMAIN, SO_PROTOCOL):
            value = {SO_TYPE: self._type, SO_DOMAIN: self._family, SO_PROTOCOL: IPPROTO_TCP}[optname]
        else:
            value = self._options.get((level, optname), 0)
        if isinstance(value, int) and buflen:
            return value.to_bytes(4, "little")[:buflen]
        return value

    def setsockopt(self, level, optname, value, optlen=None, /):
        """Noted, and that is all: the host's connections are what they are."""
        self._alive()
        self._options[level, optname] = value if isinstance(value, int) or value is None else bytes(value)

    # What a function does not do.

    def bind(self, address, /):
        raise _cannot("binding a socket to an address of its own")

    def listen(self, backlog=None, /):
        raise _cannot("listening")

    def _accept(self):
        raise _cannot("accepting connections")


SocketType = socket


def _now(done):
    """Whether something holds, after a look at what has arrived meanwhile."""
    if done():
        return True
    try:
        connections.wait(done, 0.0)
    except TimeoutError:
        return False
    return True


def _named(failed):
    """An exception of connecting; a name that does not resolve has one of its own."""
    if isinstance(failed, connections.NameNotResolved):
        return unknown(f"Name or service not known: {failed}")
    return failed


def _named_read(connection, size, keep):
    try:
        return connection.read(size, keep)
    except connections.NameNotResolved as error:
        raise _named(error) from None


def close(fd, /):
    connections.close(fd)


def dup(fd, /):
    connection = connections.of(fd)
    if connection is None:
        raise OSError(errno.EBADF, "Bad file descriptor")
    return connections.register(connection.share())


def socketpair(family=None, type=SOCK_STREAM, proto=0, /):
    raise _cannot("a pair of sockets")


_OWN = {"family_of", "name_of", "unknown"}
__all__ = [name for name, value in globals().items()
           if not name.startswith("_") and not isinstance(value, types.ModuleType) and name not in _OWN]
