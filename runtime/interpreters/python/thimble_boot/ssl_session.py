"""TLS as a session of the host's rustls, whose bytes are carried by a socket or by a pair of memory buffers."""

import weakref

from componentize_py_types import Err
from wit_world.imports import tls_sessions as host

from . import certificates
from .socket_module import socket as _socket
from .ssl_constants import (CERT_NONE, ENCODING_PEM, PROTO_TLSv1_2, PROTO_TLSv1_3, PROTOCOL_TLS_SERVER, SSL_ERROR_SSL,
                            SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE)
from .ssl_errors import SSLError, SSLWantReadError, SSLWantWriteError, ended, explain, failed

# What the host takes in one piece, and a little less, so that what is said fits when it is written in records.
_PIECE = 64 * 1024
_SAID = 48 * 1024
_VERSIONS = {"TLSv1.2": PROTO_TLSv1_2, "TLSv1.3": PROTO_TLSv1_3}
CIPHERS = (
    ("TLS_AES_256_GCM_SHA384", "TLSv1.3", 256), ("TLS_AES_128_GCM_SHA256", "TLSv1.3", 128),
    ("TLS_CHACHA20_POLY1305_SHA256", "TLSv1.3", 256), ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLSv1.2", 256),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2", 128), ("ECDHE-ECDSA-CHACHA20-POLY1305", "TLSv1.2", 256),
    ("ECDHE-RSA-AES256-GCM-SHA384", "TLSv1.2", 256), ("ECDHE-RSA-AES128-GCM-SHA256", "TLSv1.2", 128),
    ("ECDHE-RSA-CHACHA20-POLY1305", "TLSv1.2", 256),
)


def _cipher_of(name, version):
    """The protocol's name of a cipher in OpenSSL's spelling."""
    if name.startswith("TLS13_"):
        name = "TLS_" + name.removeprefix("TLS13_")
    else:
        name = name.removeprefix("TLS_").replace("_WITH", "").replace("AES_", "AES").replace("_", "-")
        if "POLY1305" in name:
            name = name.removesuffix("-SHA256")
    return name, version, 128 if "128" in name and "CHACHA" not in name else 256


class Certificate:
    """A certificate of a peer's chain."""

    def __init__(self, der):
        self._der = der

    def public_bytes(self, format=ENCODING_PEM, /):
        return certificates.to_pem(self._der) if format == ENCODING_PEM else self._der

    def get_info(self):
        return certificates.decode(self._der)

    def __eq__(self, other):
        return isinstance(other, Certificate) and self._der == other._der

    def __hash__(self):
        return hash(self._der)


class SSLSession:
    """Sessions are resumed by nobody here."""


class MemoryBIO:
    """Bytes on their way between a session and whoever carries them."""

    def __init__(self):
        self._bytes, self._end = bytearray(), False

    @property
    def pending(self):
        return len(self._bytes)

    @property
    def eof(self):
        return self._end and not self._bytes

    def read(self, size=-1, /):
        size = len(self._bytes) if size < 0 else size
        piece = bytes(self._bytes[:size])
        del self._bytes[:size]
        return piece

    def write(self, b, /):
        if self._end:
            raise SSLError(SSL_ERROR_SSL, "cannot write() after write_eof()")
        with memoryview(b) as view:
            self._bytes += view.cast("B")
            return view.nbytes

    def write_eof(self):
        self._end = True


class BySocket:
    """A socket carries the session's bytes."""

    def __init__(self, sock):
        # It has the session, and not the other way round.
        self._sock = weakref.ref(sock)

    def _socket(self):
        sock = self._sock()
        if sock is None:
            raise ReferenceError("the socket of this TLS session is gone")
        return sock

    def receive(self):
        try:
            return _socket.recv(self._socket(), _PIECE)
        except BlockingIOError:
            raise SSLWantReadError(SSL_ERROR_WANT_READ, "The operation did not complete (read)") from None

    def send(self, data):
        """How many bytes it has taken over."""
        done = 0
        try:
            while done < len(data):
                done += _socket.send(self._socket(), data[done:])
        except BlockingIOError:
            pass
        return done


class ByBuffers:
    """Somebody else carries them."""

    def __init__(self, incoming, outgoing):
        self._incoming, self._outgoing = incoming, outgoing

    def receive(self):
        piece = self._incoming.read(_PIECE)
        if not piece and not self._incoming.eof:
            raise SSLWantReadError(SSL_ERROR_WANT_READ, "The operation did not complete (read)")
        return piece

    def send(self, data):
        return self._outgoing.write(data)


class Session:
    """One session, over whatever carries it."""

    def __init__(self, context, carrier, server_side, server_hostname, owner):
        if server_side or context.protocol == PROTOCOL_TLS_SERVER:
            raise NotImplementedError("ssl: a function is no server of TLS: it is called by the server")
        if server_hostname == "" or server_hostname is not None and server_hostname.startswith("."):
            raise ValueError("server_hostname cannot be an empty string or start with a leading dot.")
        self.context, self.server_side, self.server_hostname = context, False, server_hostname
        # It has this, and not the other way round: what nobody has any more is closed at once.
        self._owner = weakref.ref(owner) if owner is not None else lambda: None
        self.session, self.session_reused = None, False
        self._carrier = carrier
        self._session = self._peer = None
        self._unsent, self._heard = b"", b""
        self._handshaking, self._over = True, False

    def __del__(self):
        if self._session is not None:
            host.close(self._session)

    def _exchange(self, incoming, saying=b""):
        try:
            progress = host.exchange(self._session, incoming, saying)
        except Err as error:
            self._tell_why()
            raise explain(error, self.server_hostname or "") from None
        self._unsent += progress.outgoing
        self._heard += progress.heard
        self._handshaking, self._over = progress.handshaking, self._over or progress.ended

    def _tell_why(self):
        """Tells the peer that the session ends, if it can be told."""
        try:
            self._unsent += host.exchange(self._session, b"", b"").outgoing
            self._flush()
        except (Err, OSError):
            pass

    def _flush(self):
        """Whether nothing is left to be sent."""
        if self._unsent:
            self._unsent = self._unsent[self._carrier.send(self._unsent):]
        return not self._unsent

    @property
    def owner(self):
        return self._owner()

    @owner.setter
    def owner(self, owner):
        self._owner = weakref.ref(owner)

    def _take_in(self):
        """False at the end of the connection."""
        self._flush()
        piece = self._carrier.receive()
        if not piece:
            return False
        self._exchange(piece)
        return True

    def do_handshake(self):
        if self._session is None:
            try:
                self._session = self.context.begin(self.server_hostname)
            except Err as error:
                raise explain(error, self.server_hostname or "") from None
            self._exchange(b"")
        while self._handshaking:
            if not self._take_in():
                raise ended()
        self._flush()
        if self._peer is None:
            self._peer = host.describe(self._session)
            if self.context.refuses(_VERSIONS[self._peer.version]):
                raise failed("UNSUPPORTED_PROTOCOL", f"the context leaves out {self._peer.version}, which was chosen")

    def _ready(self):
        if self._peer is None:
            self.do_handshake()

    def read(self, size=1024, buffer=None, /):
        if size < 0:
            raise ValueError("size should not be negative")
        self._ready()
        while not self._heard and not self._over and size:
            if not self._take_in():
                raise ended()
        if buffer is None:
            piece, self._heard = self._heard[:size], self._heard[size:]
            return piece
        with memoryview(buffer) as view, view.cast("B") as target:
            size = min(size or target.nbytes, target.nbytes)
            piece, self._heard = self._heard[:size], self._heard[size:]
            target[:len(piece)] = piece
            return len(piece)

    def write(self, b, /):
        self._ready()
        if not self._flush():
            raise SSLWantWriteError(SSL_ERROR_WANT_WRITE, "The operation did not complete (write)")
        with memoryview(b) as view, view.cast("B") as data:
            piece = bytes(data[:_SAID])
        if piece:
            self._exchange(b"", piece)
            self._flush()
        return len(piece)

    def pending(self):
        return len(self._heard)

    def shutdown(self):
        """Says that nothing more is said, and waits for the peer to say so."""
        if self._session is None:
            raise failed("UNINITIALIZED", "the handshake has not begun")
        host.finish(self._session)
        self._exchange(b"")
        self._flush()
        while not self._over:
            if not self._take_in():
                break
            self._heard = b""
        return self._owner() if isinstance(self._carrier, BySocket) else None

    # Whom it talks to.

    def version(self):
        return self._peer.version if self._peer else None

    def cipher(self):
        return _cipher_of(self._peer.cipher, self._peer.version) if self._peer else None

    def shared_ciphers(self):
        return None

    def compression(self):
        return None

    def selected_alpn_protocol(self):
        return self._peer.protocol if self._peer else None

    def getpeercert(self, binary_form=False, /):
        if self._peer is None:
            raise ValueError("handshake not done yet")
        if not self._peer.certificates:
            return None
        if binary_form:
            return self._peer.certificates[0]
        return certificates.decode(self._peer.certificates[0]) if self.context._verify != CERT_NONE else {}

    def get_unverified_chain(self):
        return [Certificate(each) for each in self._peer.certificates] if self._peer else None

    get_verified_chain = get_unverified_chain

    def get_channel_binding(self, cb_type="tls-unique"):
        if cb_type != "tls-unique":
            raise ValueError(f"'{cb_type}' channel binding type not implemented")
        return None

    def verify_client_post_handshake(self):
        raise NotImplementedError("Post-handshake auth is not supported by the host's TLS")
