"""Certificates as the module `ssl` shows them: read out of DER, for people and for `getpeercert`.

Nothing here decides whom to trust; the host has done so before.
"""

import base64
import ipaddress
import re

_BLOCK = re.compile(r"-----BEGIN (?:X509 )?CERTIFICATE-----\s*([A-Za-z0-9+/=\s]+)-----END (?:X509 )?CERTIFICATE-----")
_NAMES = {
    "2.5.4.3": "commonName", "2.5.4.4": "surname", "2.5.4.5": "serialNumber", "2.5.4.6": "countryName",
    "2.5.4.7": "localityName", "2.5.4.8": "stateOrProvinceName", "2.5.4.9": "streetAddress",
    "2.5.4.10": "organizationName", "2.5.4.11": "organizationalUnitName", "2.5.4.12": "title", "2.5.4.17": "postalCode",
    "2.5.4.42": "givenName", "2.5.4.97": "organizationIdentifier", "1.2.840.113549.1.9.1": "emailAddress",
    "0.9.2342.19200300.100.1.25": "domainComponent", "0.9.2342.19200300.100.1.1": "userId",
    "2.5.4.15": "businessCategory", "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionCountryName",
    "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionStateOrProvinceName",
}
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_SUBJECT_ALTERNATIVE_NAME = "2.5.29.17"


def from_pem(text):
    """The certificates in a text, in DER."""
    return [base64.b64decode("".join(block.split())) for block in _BLOCK.findall(text)]


def to_pem(der):
    text = base64.b64encode(der).decode()
    lines = "\n".join(text[at:at + 64] for at in range(0, len(text), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"


def _element(data, at):
    """Tag, content and what follows, of the element that begins there."""
    tag, length = data[at], data[at + 1]
    at += 2
    if length & 0x80:
        count = length & 0x7F
        length = int.from_bytes(data[at:at + count], "big")
        at += count
    if at + length > len(data):
        raise ValueError("the certificate ends too early")
    return tag, data[at:at + length], at + length


def _elements(data):
    at = 0
    while at < len(data):
        tag, content, at = _element(data, at)
        yield tag, content


def _identifier(content):
    numbers, value = [], 0
    for byte in content:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))


def _text(tag, content):
    return content.decode({0x1E: "utf-16-be", 0x14: "latin-1"}.get(tag, "utf-8"), "replace")


def _name(content):
    """((("commonName", "x"),), …): sequences of sets of pairs."""
    parts = []
    for _, each in _elements(content):
        pairs = []
        for _, pair in _elements(each):
            (_, kind), (tag, value) = list(_elements(pair))[:2]
            identifier = _identifier(kind)
            pairs.append((_NAMES.get(identifier, identifier), _text(tag, value)))
        parts.append(tuple(pairs))
    return tuple(parts)


def _time(tag, content):
    digits = content.decode("ascii").rstrip("Z")
    if tag == 0x17:
        digits = ("19" if digits[:2] >= "50" else "20") + digits
    year, month, day, hour, minute, second = digits[:4], *(int(digits[at:at + 2]) for at in range(4, 14, 2))
    return f"{_MONTHS[month - 1]} {day:2d} {hour:02d}:{minute:02d}:{second:02d} {year} GMT"


def _alternative_names(content):
    found = []
    _, names, _ = _element(content, 0)
    for tag, value in _elements(names):
        match tag & 0x1F:
            case 1:
                found.append(("email", value.decode("latin-1")))
            case 2:
                found.append(("DNS", value.decode("latin-1")))
            case 4:
                found.append(("DirName", _name(_element(value, 0)[1])))
            case 6:
                found.append(("URI", value.decode("latin-1")))
            case 7:
                found.append(("IP Address", str(ipaddress.ip_address(value)).upper()))
            case 8:
                found.append(("Registered ID", _identifier(value)))
            case _:
                found.append(("othername", "<unsupported>"))
    return tuple(found)


def decode(der):
    """What `SSLSocket.getpeercert()` answers."""
    try:
        _, certificate, _ = _element(der, 0)
        _, body, _ = _element(certificate, 0)
        parts = list(_elements(body))
        version = 1
        if parts[0][0] == 0xA0:
            version = int.from_bytes(_element(parts.pop(0)[1], 0)[1], "big") + 1
        serial, _, issuer, validity, subject, _, *rest = parts
        begins, ends = (_time(*each) for each in _elements(validity[1]))
        number = serial[1].hex().upper()
        shown = {
            "subject": _name(subject[1]), "issuer": _name(issuer[1]), "version": version,
            "serialNumber": number[2:] if len(number) > 2 and number.startswith("00") else number,
            "notBefore": begins, "notAfter": ends,
        }
        for tag, content in rest:
            if tag != 0xA3:
                continue
            for _, extension in _elements(_element(content, 0)[1]):
                kind, *_, (_, value) = _elements(extension)
                if _identifier(kind[1]) == _SUBJECT_ALTERNATIVE_NAME:
                    shown["subjectAltName"] = _alternative_names(value)
        return shown
    except (IndexError, ValueError) as error:
        raise ValueError(f"a certificate cannot be read: {error}") from None
