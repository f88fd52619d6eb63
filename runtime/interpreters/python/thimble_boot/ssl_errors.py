"""Errors of `ssl`, and those of the host's TLS as such."""

import errno

from wit_world.imports import tcp

from .ssl_constants import SSL_ERROR_EOF, SSL_ERROR_SSL

_CODES = {
    tcp.FailureCode.CERTIFICATE_UNTRUSTED: (20, "unable to get local issuer certificate"),
    tcp.FailureCode.CERTIFICATE_EXPIRED: (10, "certificate has expired"),
}


class SSLError(OSError):
    """An error of TLS."""

    library = reason = None

    def __str__(self):
        return self.strerror if isinstance(self.strerror, str) else str(self.args)


class SSLZeroReturnError(SSLError):
    """The peer has ended TLS."""


class SSLWantReadError(SSLError):
    """Something must arrive first."""


class SSLWantWriteError(SSLError):
    """Something must be sent first."""


class SSLSyscallError(SSLError):
    """The connection failed beneath TLS."""


class SSLEOFError(SSLError):
    """The connection ended without an end of TLS."""


class SSLCertVerificationError(SSLError, ValueError):
    """The peer's certificate is not to be trusted."""

    verify_code, verify_message = 0, ""


for _error in (SSLError, SSLZeroReturnError, SSLWantReadError, SSLWantWriteError, SSLSyscallError, SSLEOFError,
               SSLCertVerificationError):
    _error.__module__ = "ssl"


def failed(reason, message, kind=SSLError, number=SSL_ERROR_SSL):
    error = kind(number, f"[SSL: {reason}] {message}")
    error.library, error.reason = "SSL", reason
    return error


def ended():
    return failed("UNEXPECTED_EOF_WHILE_READING", "EOF occurred in violation of protocol", SSLEOFError, SSL_ERROR_EOF)


def explain(error, name):
    """The host's failure as an exception; `name` is whom the certificate was to be for."""
    # See `connections.explain`.
    error.with_traceback(None)
    failure = error.value
    if failure.code is tcp.FailureCode.CERTIFICATE_NAME:
        address = name.replace(".", "").isdigit() or ":" in name
        code, message = ((64, f"IP address mismatch, certificate is not valid for '{name}'.") if address else
                         (62, f"Hostname mismatch, certificate is not valid for '{name}'."))
    elif failure.code in _CODES:
        code, message = _CODES[failure.code]
    elif failure.code is tcp.FailureCode.LIMIT_EXCEEDED:
        return OSError(errno.EMFILE, failure.message)
    else:
        return failed("TLS_FAILED", failure.message)
    error = failed("CERTIFICATE_VERIFY_FAILED", f"certificate verify failed: {message} ({failure.message})",
                    SSLCertVerificationError)
    error.verify_code, error.verify_message = code, message
    return error
