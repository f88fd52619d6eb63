"""The module `_ssl`, on which CPython's own `ssl` stands: TLS of the host."""

import os

from . import certificates
from .ssl_constants import *  # noqa: F403
from .ssl_constants import _DEFAULT_CIPHERS, _OPENSSL_API_VERSION  # noqa: F401
from .ssl_context import _SSLContext, certificates_of  # noqa: F401
from .ssl_errors import (SSLCertVerificationError, SSLEOFError, SSLError, SSLSyscallError, SSLWantReadError,  # noqa: F401
                         SSLWantWriteError, SSLZeroReturnError)
from .ssl_session import Certificate, MemoryBIO, SSLSession  # noqa: F401


def RAND_bytes(n, /):
    return os.urandom(n)


def RAND_status():
    return True


def RAND_add(string, entropy, /):
    """The host's randomness needs none."""


_OBJECTS = {
    "1.3.6.1.5.5.7.3.1": (129, "serverAuth", "TLS Web Server Authentication"),
    "1.3.6.1.5.5.7.3.2": (130, "clientAuth", "TLS Web Client Authentication"),
}


def txt2obj(txt, name=False):
    for identifier, (number, short, long) in _OBJECTS.items():
        if txt == identifier or name and txt in (short, long):
            return number, short, long, identifier
    raise ValueError(f"unknown object '{txt[:100]}'")


def nid2obj(nid, /):
    for identifier, (number, short, long) in _OBJECTS.items():
        if nid == number:
            return number, short, long, identifier
    raise ValueError(f"unknown NID {nid}")


def get_default_verify_paths():
    return "SSL_CERT_FILE", "/usr/lib/ssl/cert.pem", "SSL_CERT_DIR", "/usr/lib/ssl/certs"


def _test_decode_cert(path, /):
    return certificates.decode(certificates_of(path)[0])
