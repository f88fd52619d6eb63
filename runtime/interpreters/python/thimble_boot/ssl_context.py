"""What a program asks of TLS: `ssl.SSLContext` inherits from it."""

import os

from componentize_py_types import Err
from wit_world.imports import tcp
from wit_world.imports import tls_sessions as host

from . import certificates
from .ssl_constants import (CERT_NONE, CERT_REQUIRED, HOSTFLAG_NEVER_CHECK_SUBJECT, OP_ALL, OP_CIPHER_SERVER_PREFERENCE,
                            OP_ENABLE_MIDDLEBOX_COMPAT, OP_IGNORE_UNEXPECTED_EOF, OP_NO_COMPRESSION, OP_NO_SSLv3,
                            OP_NO_TLSv1_2, OP_NO_TLSv1_3, PROTO_MAXIMUM_SUPPORTED, PROTO_MINIMUM_SUPPORTED,
                            PROTO_TLSv1_2, PROTO_TLSv1_3, PROTOCOL_TLS, PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER,
                            PROTOCOL_TLSv1_2, VERIFY_X509_TRUSTED_FIRST)
from .ssl_errors import SSLError, failed
from .ssl_session import CIPHERS, ByBuffers, BySocket, Session


class _SSLContext:
    """What is asked of a peer. `ssl.SSLContext` inherits from it."""

    __slots__ = ("protocol", "options", "verify_flags", "_host_flags", "_msg_callback", "sni_callback",
                 "keylog_filename", "post_handshake_auth", "num_tickets", "security_level", "_verify", "_check",
                 "_minimum", "_maximum", "_alpn", "_authorities", "_system", "_pem", "_identity",
                 "__weakref__", "__dict__")

    def __new__(cls, protocol=PROTOCOL_TLS):
        if protocol not in (PROTOCOL_TLS, PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER, PROTOCOL_TLSv1_2):
            raise ValueError("invalid or unsupported protocol version")
        self = object.__new__(cls)
        client = protocol == PROTOCOL_TLS_CLIENT
        self._verify, self._check = CERT_REQUIRED if client else CERT_NONE, client
        setters = {
            "protocol": protocol, "options": OP_ALL | OP_NO_SSLv3 | OP_NO_COMPRESSION | OP_CIPHER_SERVER_PREFERENCE
            | OP_ENABLE_MIDDLEBOX_COMPAT | OP_IGNORE_UNEXPECTED_EOF,
            "verify_flags": VERIFY_X509_TRUSTED_FIRST, "_msg_callback": None,
        }
        # Subclasses put properties of their own over these.
        for name, value in setters.items():
            getattr(_SSLContext, name).__set__(self, value)
        self._host_flags = HOSTFLAG_NEVER_CHECK_SUBJECT
        self.sni_callback = self.keylog_filename = None
        self.post_handshake_auth, self.num_tickets, self.security_level = False, 2, 2
        self._minimum, self._maximum = PROTO_TLSv1_2, PROTO_MAXIMUM_SUPPORTED
        self._alpn, self._authorities, self._system, self._pem, self._identity = [], {}, False, None, None
        return self

    def __init__(self, *_, **__):
        pass

    # What is checked.

    @property
    def verify_mode(self):
        return self._verify

    @verify_mode.setter
    def verify_mode(self, value):
        if value not in (0, 1, 2):
            raise ValueError("invalid value for verify_mode")
        if value == CERT_NONE and self._check:
            raise ValueError("Cannot set verify_mode to CERT_NONE when check_hostname is enabled.")
        self._verify = int(value)

    @property
    def check_hostname(self):
        return self._check

    @check_hostname.setter
    def check_hostname(self, value):
        self._check = bool(value)
        if self._check and self._verify == CERT_NONE:
            self._verify = CERT_REQUIRED

    @property
    def minimum_version(self):
        return self._minimum

    @minimum_version.setter
    def minimum_version(self, value):
        self._minimum = self._version(value)

    @property
    def maximum_version(self):
        return self._maximum

    @maximum_version.setter
    def maximum_version(self, value):
        self._maximum = self._version(value)

    @staticmethod
    def _version(value):
        if value not in (PROTO_MINIMUM_SUPPORTED, PROTO_MAXIMUM_SUPPORTED) and not 0x300 <= value <= PROTO_TLSv1_3:
            raise ValueError(f"Unsupported TLS/SSL version {value:#x}")
        return int(value)

    def refuses(self, version):
        """Whether a version that the host has agreed upon is not wanted. The host has TLS 1.2 and 1.3."""
        highest = self._maximum if self._maximum > 0 else PROTO_TLSv1_3
        left_out = {PROTO_TLSv1_2: OP_NO_TLSv1_2, PROTO_TLSv1_3: OP_NO_TLSv1_3}[version]
        if self.protocol == PROTOCOL_TLSv1_2 and version != PROTO_TLSv1_2:
            return True
        return not self._minimum <= version <= highest or bool(self.options & left_out)

    def is_usual(self):
        """Whether it checks what the host does for its own requests: they are the same then."""
        return (self._system and self._check and self._verify == CERT_REQUIRED and not self._authorities
                and not any(map(self.refuses, (PROTO_TLSv1_2, PROTO_TLSv1_3))))

    # Whom it trusts.

    def load_verify_locations(self, cafile=None, capath=None, cadata=None):
        if cafile is None and capath is None and cadata is None:
            raise TypeError("cafile, capath and cadata cannot be all omitted")
        if cadata is not None:
            if isinstance(cadata, str):
                if not cadata.isascii():
                    raise TypeError("cadata should be an ASCII string or a bytes-like object")
                found = certificates.from_pem(cadata)
            else:
                found = _der_sequence(bytes(cadata))
            if not found:
                raise ValueError("Empty certificate data") if not cadata else failed(
                    "NO_START_LINE", "not enough data: cadata does not contain a certificate")
            self._trust(found)
        if cafile is not None:
            self._load(cafile)
        if capath is not None:
            for name in sorted(os.listdir(capath)):
                path = os.path.join(os.fsdecode(capath), os.fsdecode(name))
                if os.path.isfile(path):
                    self._trust(certificates_of(path))

    def _load(self, path):
        found = certificates_of(path)
        if not found:
            raise failed("NO_CERTIFICATE_OR_CRL_FOUND", f"no certificate or crl found in {os.fsdecode(path)}")
        self._trust(found)

    def _trust(self, found):
        self._authorities.update(dict.fromkeys(found))
        self._pem = None

    def set_default_verify_paths(self):
        own = os.environ.get("SSL_CERT_FILE")
        if own and os.path.isfile(own):
            self._load(own)
        else:
            # The host's.
            self._system = True

    def load_cert_chain(self, certfile, keyfile=None, password=None):
        """A key that is opened by a password is not taken: the key goes to the host as it is."""
        identity = tcp.Identity(_pem_of(certfile), _pem_of(certfile if keyfile is None else keyfile))
        try:
            # The host says whether key and certificate belong together.
            host.close(host.begin(tcp.Tls("localhost", None, False, [], identity), host.Checks(0)))
        except Err as error:
            raise failed("CERTIFICATE_OR_KEY_UNUSABLE", error.value.message) from None
        self._identity = identity

    def cert_store_stats(self):
        return {"x509": len(self._authorities), "crl": 0, "x509_ca": len(self._authorities)}

    def get_ca_certs(self, binary_form=False):
        return [each if binary_form else certificates.decode(each) for each in self._authorities]

    def session_stats(self):
        return dict.fromkeys(("number", "connect", "connect_good", "connect_renegotiate", "accept", "accept_good",
                              "accept_renegotiate", "hits", "misses", "timeouts", "cache_full"), 0)

    # What it offers.

    def _set_alpn_protocols(self, protos, /):
        data, at, names = bytes(protos), 0, []
        while at < len(data):
            names.append(data[at + 1:at + 1 + data[at]].decode("ascii"))
            at += 1 + data[at]
        self._alpn = names

    def set_ciphers(self, cipherlist, /):
        if not isinstance(cipherlist, str):
            raise TypeError(f"set_ciphers() argument must be str, not {type(cipherlist).__name__}")
        # The host offers the good ones and no other.
        if not cipherlist.strip():
            raise SSLError("No cipher can be selected.")

    def get_ciphers(self):
        return [{"name": name, "protocol": protocol, "strength_bits": bits, "aead": True, "description": name}
                for name, protocol, bits in CIPHERS]

    def set_ecdh_curve(self, name, /):
        """The host offers its own."""

    def load_dh_params(self, path, /):
        raise NotImplementedError("ssl: a function is no server of TLS")

    # Sessions.

    def _wrap_socket(self, sock, server_side, server_hostname=None, *, owner=None, session=None):
        return Session(self, BySocket(sock), server_side, server_hostname, owner)

    def _wrap_bio(self, incoming, outgoing, server_side, server_hostname=None, *, owner=None, session=None):
        return Session(self, ByBuffers(incoming, outgoing), server_side, server_hostname, owner)

    def begin(self, name):
        """A session of the host's."""
        checks = host.Checks(0)
        if not self._system:
            checks |= host.Checks.ONLY_AUTHORITIES
        if not self._check:
            checks |= host.Checks.ANY_NAME
        if self._authorities and self._pem is None:
            self._pem = "".join(map(certificates.to_pem, self._authorities))
        verify = self._verify != CERT_NONE
        # An address is not told to the peer; one is needed where there is no name.
        asked = tcp.Tls(name or "0.0.0.0", self._pem if verify else None, verify, list(self._alpn), self._identity)
        return host.begin(asked, checks)


def _pem_of(path):
    with open(path, "rb") as file:
        return file.read().decode("latin-1")


def certificates_of(path):
    return certificates.from_pem(_pem_of(path))


def _der_sequence(data):
    found = []
    while data:
        try:
            _, _, end = certificates._element(data, 0)
        except (IndexError, ValueError):
            raise failed("NOT_ENOUGH_DATA", "cadata is no certificate in DER") from None
        found.append(data[:end])
        data = data[end:]
    return found
