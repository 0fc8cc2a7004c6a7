"""Which addresses notifications may go to: what they are given by tenants must not reach what only this network can."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from yarl import URL

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: Translates every IPv4 address: the last 32 bits are what is called (RFC 6052).
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

#: Blocks of https://www.iana.org/assignments/iana-ipv4-special-registry and its sibling for IPv6 that the standard library, which
#: knows the others, takes for global. Clouds keep secrets at some of these.
_SPECIAL = tuple(
    map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "2001::/23", "3fff::/20", "5f00::/16"))
)

#: The last part is a number: what looks names up may take it for an address, in whatever spelling
#: (https://url.spec.whatwg.org/#ends-in-a-number-checker). Only the common one is taken.
_ENDS_AS_NUMBER = re.compile(r"(^|\.)(\d+|0[xX][0-9a-fA-F]*)\.?$")
#: What would be read as something else somewhere on the way.
_NOT_IN_NAMES = frozenset("%\\/?#@[]<>^|\"'`{}")


def is_public(address: str) -> bool:
    """Tell whether an IP address is one of the whole internet's, and so are the addresses that it stands for."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return all(_is_global(each) for each in _meant(found))


def may_be_called(address: str, *, allow_local: bool) -> bool:
    """Tell whether notifications may go to an IP address; this machine's own only where that is allowed."""
    return is_public(address) or (allow_local and _is_loopback(address))


def complaint(url: str, *, allow_local: bool) -> str | None:
    """Return why a URL must not be called, as far as its text tells, or None.

    Names are looked up when they are called: what they stand for then is what counts.
    """
    try:
        parts, host = urlsplit(url), URL(url).host
        _ = parts.port
    except ValueError:
        return "is no address"
    if parts.scheme != "https" and not (allow_local and parts.scheme == "http"):
        return "must begin with https://"
    if not host:
        return "must name a host"
    if parts.username is not None or parts.password is not None:
        return "must have no user name and no password in it"
    return None if _may_be_named(host, allow_local=allow_local) else "must name a public host"


def _may_be_named(host: str, *, allow_local: bool) -> bool:
    """Tell whether a host, in the words of what calls it, is a name or an IP address that may be called."""
    if ":" in host or _ENDS_AS_NUMBER.search(host):
        return may_be_called(host, allow_local=allow_local)
    is_name = not any(c in _NOT_IN_NAMES or c.isspace() for c in host)
    return is_name and (allow_local or not _is_local_name(host))


def _is_global(address: _Address) -> bool:
    return address.is_global and not (
        address.is_multicast
        or address.is_reserved
        or address.is_link_local
        or address.is_loopback
        or address.is_private
        or address.is_unspecified
        or any(address in block for block in _SPECIAL)
        or (isinstance(address, ipaddress.IPv6Address) and address.is_site_local)
    )


def _meant(address: _Address) -> list[_Address]:
    """Return the addresses that one stands for: the IPv4 address inside it, or itself, or both."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address in _NAT64:
        return [ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)]
    inner = [address.sixtofour] if address.sixtofour is not None else []
    return [address, *inner, *(address.teredo or ())]


def _is_loopback(address: str) -> bool:
    try:
        return all(each.is_loopback for each in _meant(ipaddress.ip_address(address)))
    except ValueError:
        return False


def _is_local_name(host: str) -> bool:
    name = host.rstrip(".").lower()
    return name == "localhost" or name.endswith(".localhost")
