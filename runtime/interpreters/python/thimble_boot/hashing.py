"""`hashlib` and `hmac` at the machine's own speed: what is long goes to the host, what is short stays with CPython's code.

An object holds back what it is given, up to a piece. A message that ends before is hashed in here, by CPython's HACL*; a longer
one's state, bytes that the host hands out, is kept here too: so an object can be copied, and outlives an image, like any other.
"""

import _hmac
import _md5
import _sha1
import _sha2
import _sha3
import hashlib
import operator

from componentize_py_types import Err
from wit_world.imports import crypto
from wit_world.imports.crypto import FailureCode, Hash

# Up to this length of a message, a call of the host costs more than it saves. The host never wins by enough at MD5 and SHA-512, which
# stay CPython's own.
SHORT = 1024
# What an object holds back at most. The host takes four times as much in a call.
_HELD = 64 * 1024
_PIECE = 256 * 1024


class _Algorithm:
    """How messages of one kind are hashed: short ones whole, long ones by the host."""

    __slots__ = ("name", "digest_size", "block_size", "host", "short")

    def __init__(self, name, digest_size, block_size, host, short=None):
        self.name, self.digest_size, self.block_size = name, digest_size, block_size
        self.host, self.short = host, short

    def update(self, state, data):
        return crypto.hash_update(self.host, state, data)

    def finish(self, state, data):
        if self.short is not None and not state and len(data) <= SHORT:
            return self.short(data).digest()
        return crypto.hash_finish(self.host, state, data)


class _Keyed(_Algorithm):
    """The same with a key, for HMAC."""

    __slots__ = ("key",)

    def __init__(self, algorithm, key):
        super().__init__(f"hmac-{algorithm.name}", algorithm.digest_size, algorithm.block_size, algorithm.host)
        self.key = key

    def update(self, state, data):
        return crypto.hmac_update(self.host, self.key, state, data)

    def finish(self, state, data):
        if not state and len(data) <= SHORT:
            return _compute_digest(self.key, data, self.name[5:])
        return crypto.hmac_finish(self.host, self.key, state, data)


class HASH:
    """A hash object, whatever its algorithm."""

    __slots__ = ("_algorithm", "_state", "_held")

    def __new__(cls):
        raise TypeError("cannot create '_hashlib.HASH' instances")

    @property
    def name(self):
        """The algorithm's name, for hashlib.new()."""
        return self._algorithm.name

    @property
    def digest_size(self):
        """The digest's length in bytes."""
        return self._algorithm.digest_size

    @property
    def block_size(self):
        """The length in bytes of the blocks that the algorithm works on."""
        return self._algorithm.block_size

    def update(self, data, /):
        """Takes in a bytes-like object."""
        held = self._held
        if type(data) is bytes and len(held) + len(data) <= _HELD:
            held += data
            return
        data = _bytes_of(data)
        size = len(data)
        start = 0
        if held:
            start = min(_HELD - len(held), size)
            held += data[:start]
            if len(held) < _HELD:
                return
            self._state = self._algorithm.update(self._state, bytes(held))
            held.clear()
        while size - start >= _HELD:
            piece = data[start:start + _PIECE]
            self._state = self._algorithm.update(self._state, bytes(piece))
            start += len(piece)
        held += data[start:]

    def digest(self):
        """The digest of what was taken in so far, as bytes."""
        return self._algorithm.finish(self._state, bytes(self._held))

    def hexdigest(self):
        """The digest of what was taken in so far, as hexadecimal digits."""
        return self._algorithm.finish(self._state, bytes(self._held)).hex()

    def copy(self):
        """Another object that has taken in the same."""
        other = _begin(self._algorithm)
        other._state, other._held = self._state, self._held.copy()
        return other

    def __repr__(self):
        return f"<{self.name} _hashlib.{type(self).__name__} object @ {id(self):#x}>"

    def __reduce__(self):
        raise TypeError(f"cannot pickle '_hashlib.{type(self).__name__}' object")


HASH.__module__ = "_hashlib"


def _begin(algorithm):
    made = object.__new__(HASH)
    made._algorithm, made._state, made._held = algorithm, b"", bytearray()
    return made


def _bytes_of(data):
    """A view of the bytes of what may be hashed. Raises what CPython does of what may not."""
    if isinstance(data, str):
        raise TypeError("Strings must be encoded before hashing")
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError("object supporting the buffer API required") from None
    if view.ndim > 1:
        raise BufferError("Buffer must be single dimension")
    if not view.c_contiguous:
        raise BufferError("memoryview: underlying buffer is not C-contiguous")
    return view if view.format == "B" else view.cast("B")


_ABSENT = object()
_algorithms = {}


def _constructor(algorithm):
    def construct(data=_ABSENT, *, usedforsecurity=True, string=_ABSENT):
        made = _begin(algorithm)
        if data is not _ABSENT:
            if string is not _ABSENT:
                raise TypeError("'data' and 'string' are mutually exclusive and support for 'string' keyword parameter "
                                "is slated for removal in a future version.")
            made.update(data)
        elif string is not _ABSENT:
            made.update(string)
        return made

    construct.__name__ = construct.__qualname__ = algorithm.name
    construct.__doc__ = f"Returns a {algorithm.name} hash object; optionally initialized with data."
    return construct


def _define(module, name, block_size, host):
    short = getattr(module, name) if module else None
    size = short().digest_size if short else {"ripemd160": 20, "sha512_224": 28, "sha512_256": 32}[name]
    algorithm = _algorithms[name] = _Algorithm(name, size, block_size, host, short)
    return _constructor(algorithm)


# Of HMAC.

_compute_digest = _hmac.compute_digest
_new_hmac = _hmac.new


def _named(digest):
    """The algorithm of that name; none where it is not the host's."""
    return _algorithms.get(digest.lower()) if isinstance(digest, str) else None


def compute_digest(key, msg, digest):
    """Stands in for `_hmac.compute_digest`."""
    algorithm = _named(digest)
    if (algorithm is None or algorithm.short is None or algorithm.name in _OTHERS or not isinstance(key, (bytes, bytearray))
            or not isinstance(msg, (bytes, bytearray)) or len(msg) <= SHORT or len(key) > _PIECE):
        return _compute_digest(key, msg, digest)
    made = _begin(_Keyed(algorithm, bytes(key)))
    made.update(msg)
    return made.digest()


# Of keys from passwords.

def _whole(value, what):
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{what} is required and must be an unsigned int") from None


def _derived(derive, *arguments):
    try:
        return derive(*arguments)
    except Err as error:
        if error.value.code is FailureCode.LIMIT_EXCEEDED:
            raise MemoryError(error.value.message) from None
        raise ValueError(error.value.message) from None


def pbkdf2_hmac(hash_name, password, salt, iterations, dklen=None):
    """Password based key derivation function 2 (PKCS #5 v2.0) with HMAC as pseudorandom function."""
    if not isinstance(hash_name, str):
        raise TypeError(f"pbkdf2_hmac() argument 'hash_name' must be str, not {type(hash_name).__name__}")
    algorithm = _named(hash_name.replace("-", ""))
    if algorithm is None:
        raise ValueError(f"unsupported hash type {hash_name}")
    password, salt = bytes(_bytes_of(password)), bytes(_bytes_of(salt))
    iterations = operator.index(iterations)
    if iterations < 1:
        raise ValueError("iteration value must be greater than 0.")
    if iterations > 2**31 - 1:
        raise OverflowError("iteration value is too great.")
    length = algorithm.digest_size if dklen is None else operator.index(dklen)
    if length < 1:
        raise ValueError("key length must be greater than 0.")
    if length > 2**31 - 1:
        raise OverflowError("key length is too great.")
    return _derived(crypto.pbkdf2, algorithm.host, password, salt, iterations, length)


# What OpenSSL takes at most, unless it is told otherwise.
_SCRYPT_MEMORY = 32 << 20


def scrypt(password, *, salt=None, n=None, r=None, p=None, maxmem=0, dklen=64):
    """scrypt password-based key derivation function."""
    password = bytes(_bytes_of(password))
    if salt is None:
        raise TypeError("salt is required")
    salt = bytes(_bytes_of(salt))
    n, r, p = _whole(n, "n"), _whole(r, "r"), _whole(p, "p")
    if n < 2 or n & (n - 1):
        raise ValueError("n must be a power of 2.")
    if r < 1 or p < 1:
        raise ValueError("Invalid parameter combination for n, r, p, maxmem.")
    if not 0 <= maxmem <= 2**31 - 1:
        raise ValueError("maxmem must be positive and smaller than 2147483647")
    if not 1 <= dklen <= 2**31 - 1:
        raise ValueError("dklen must be greater than 0 and smaller than 2147483647")
    if 128 * r * (n + p + 2) > (maxmem or _SCRYPT_MEMORY):
        raise ValueError("Invalid parameter combination for n, r, p, maxmem.")
    return _derived(crypto.scrypt, password, salt, n, r, p, dklen)


# Only for keys and `HMAC`: their objects stay CPython's own.
_OTHERS = {"md5": (_md5, 64, Hash.MD5), "sha384": (_sha2, 128, Hash.SHA384), "sha512": (_sha2, 128, Hash.SHA512)}


def install():
    for name, (module, block_size, host) in _OTHERS.items():
        _define(module, name, block_size, host)
    cache = vars(hashlib)["__builtin_constructor_cache"]
    for module, names in {
        _sha1: {"sha1": (64, Hash.SHA1)},
        _sha2: {"sha224": (64, Hash.SHA224), "sha256": (64, Hash.SHA256)},
        _sha3: {"sha3_224": (144, Hash.SHA3_T224), "sha3_256": (136, Hash.SHA3_T256),
                "sha3_384": (104, Hash.SHA3_T384), "sha3_512": (72, Hash.SHA3_T512)},
        None: {"ripemd160": (64, Hash.RIPEMD160), "sha512_224": (128, Hash.SHA512_T224),
               "sha512_256": (128, Hash.SHA512_T256)},
    }.items():
        for name, (block_size, host) in names.items():
            constructor = _define(module, name, block_size, host)
            cache[name] = constructor
            if module is None:
                # What OpenSSL has besides: by `hashlib.new` only.
                hashlib.algorithms_available.add(name)
            else:
                cache[name.upper()] = constructor
                setattr(module, name, constructor)
                setattr(hashlib, name, constructor)
    _hmac.compute_digest = compute_digest
    hashlib.pbkdf2_hmac, hashlib.scrypt = pbkdf2_hmac, scrypt
    for function in (pbkdf2_hmac, scrypt):
        function.__module__ = "_hashlib"
    hashlib.__all__ += ("pbkdf2_hmac",)
