"""Names and addresses as `socket` knows them. Nothing is resolved here: the host does that when it connects, so a name
stands for its own address until then.
"""

import errno
import ipaddress

from . import socket_constants as constants

_SERVICES = {
    "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "domain": 53, "http": 80, "www": 80, "kerberos": 88, "pop3": 110,
    "ntp": 123, "imap": 143, "imap2": 143, "snmp": 161, "ldap": 389, "https": 443, "smtps": 465, "submission": 587,
    "ldaps": 636, "imaps": 993, "pop3s": 995, "ms-sql-s": 1433, "mqtt": 1883, "mysql": 3306, "postgresql": 5432,
    "amqp": 5672, "redis": 6379,
}


class gaierror(OSError):
    """A name that does not resolve."""


class herror(OSError):
    """As `gaierror`, of `gethostbyaddr`."""


for _error in (gaierror, herror):
    _error.__module__ = "socket"


def unknown(message="Name or service not known"):
    return gaierror(constants.EAI_NONAME, message)


def family_of(text):
    """The family of an address that is written out; None for a name."""
    try:
        return constants.AF_INET if ipaddress.ip_address(text.partition("%")[0]).version == 4 else constants.AF_INET6
    except ValueError:
        return None


def name_of(host):
    """A host as the system's resolver would take it."""
    if isinstance(host, (bytes, bytearray)):
        name = bytes(host).decode("ascii")
    elif isinstance(host, str):
        name = host if host.isascii() else host.encode("idna").decode("ascii")
    else:
        raise TypeError(f"str, bytes or bytearray expected, not {type(host).__name__}")
    if "\0" in name:
        raise ValueError("host name must not contain null character")
    if not name or len(name) > 253 or any(len(label) > 63 for label in name.split(".")):
        raise unknown()
    return name


def _port_of(port):
    if port is None:
        return 0
    if isinstance(port, (bytes, bytearray)):
        port = port.decode()
    if isinstance(port, str):
        return int(port) if port.isdecimal() else _service(port)
    return port.__index__()


def _service(name):
    try:
        return _SERVICES[name]
    except KeyError:
        raise gaierror(constants.EAI_SERVICE, "Servname not supported for ai_socktype") from None


def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
    """One entry: an address as it is, or a name in the place of its address, to be connected to."""
    number = _port_of(port)
    if host is None:
        host = "127.0.0.1" if family != constants.AF_INET6 else "::1"
    name = name_of(host)
    own = family_of(name)
    if own is None and (flags & constants.AI_NUMERICHOST):
        raise unknown()
    if family not in (0, constants.AF_INET, constants.AF_INET6):
        raise gaierror(constants.EAI_FAMILY, "ai_family not supported")
    if own and family and own != family:
        raise gaierror(constants.EAI_ADDRFAMILY, "Address family for hostname not supported")
    family = own or family or constants.AF_INET
    place = (name, number) if family == constants.AF_INET else (name, number, 0, 0)
    kind = type or constants.SOCK_STREAM
    usual = constants.IPPROTO_UDP if kind == constants.SOCK_DGRAM else constants.IPPROTO_TCP
    return [(family, kind, proto or usual, name if flags & constants.AI_CANONNAME else "", place)]


def getnameinfo(sockaddr, flags):
    host, port = sockaddr[:2]
    if flags & constants.NI_NUMERICSERV:
        return host, str(port)
    return host, next((name for name, number in _SERVICES.items() if number == port), str(port))


def gethostbyname(hostname):
    return name_of(hostname)


def gethostbyname_ex(hostname):
    name = name_of(hostname)
    return name, [], [name]


def gethostbyaddr(ip_address):
    name = name_of(ip_address)
    return name, [], [name]


def gethostname():
    return "localhost"


def getservbyname(servicename, protocolname=None):
    try:
        return _SERVICES[servicename]
    except KeyError:
        raise OSError("service/proto not found") from None


def getservbyport(port, protocolname=None):
    for name, number in _SERVICES.items():
        if number == port:
            return name
    raise OSError("port/proto not found")


def getprotobyname(name):
    try:
        return {"ip": 0, "icmp": 1, "tcp": 6, "udp": 17}[name]
    except KeyError:
        raise OSError("protocol not found") from None


def _packed(family, text):
    if not isinstance(text, str):
        raise TypeError(f"argument must be str, not {type(text).__name__}")
    kinds = {constants.AF_INET: ipaddress.IPv4Address, constants.AF_INET6: ipaddress.IPv6Address}
    if family not in kinds:
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
    try:
        return kinds[family](text).packed
    except ValueError:
        raise OSError("illegal IP address string passed to inet_pton") from None


def inet_pton(address_family, ip_string):
    return _packed(address_family, ip_string)


def inet_ntop(address_family, packed_ip):
    data = bytes(packed_ip)
    width = {constants.AF_INET: 4, constants.AF_INET6: 16}.get(address_family)
    if width is None:
        raise ValueError(f"unknown address family {address_family}")
    if len(data) != width:
        raise ValueError("invalid length of packed IP address string")
    return str(ipaddress.ip_address(data))


def inet_aton(ip_string):
    """Also the short forms, as libc has them: `127.1`."""
    try:
        parts = [int(part, 16 if part[:2].lower() == "0x" else 8 if part[:1] == "0" and len(part) > 1 else 10)
                 for part in ip_string.split(".")]
        *front, last = parts
        if len(parts) > 4 or any(not 0 <= part < 256 for part in front) or not 0 <= last < 256 ** (4 - len(front)):
            raise ValueError
    except ValueError:
        raise OSError("illegal IP address string passed to inet_aton") from None
    return bytes(front) + last.to_bytes(4 - len(front), "big")


def inet_ntoa(packed_ip):
    data = bytes(packed_ip)
    if len(data) != 4:
        raise OSError("packed IP wrong length")
    return ".".join(map(str, data))


def _swapper(name, width):
    def swap(x, /):
        if not 0 <= x < 1 << 8 * width:
            raise OverflowError(f"{name}: Python int does not fit {8 * width} bits")
        return int.from_bytes(x.to_bytes(width, "little"), "big")

    swap.__name__ = swap.__qualname__ = name
    return swap


ntohs, htons = _swapper("ntohs", 2), _swapper("htons", 2)
ntohl, htonl = _swapper("ntohl", 4), _swapper("htonl", 4)
