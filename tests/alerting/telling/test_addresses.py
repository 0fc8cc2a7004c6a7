"""What may be called, and what must not."""

from __future__ import annotations

import pytest

from services.alerting.telling.addresses import complaint, is_public, may_be_called


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses(address: str):
    assert is_public(address)
    assert may_be_called(address, allow_local=False)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "192.0.0.192",
        "198.18.0.1",
        "192.0.2.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "3fff::1",
        "64:ff9b:1::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "127.1",
        "2130706433",
        "localhost",
        "",
    ],
)
def test_addresses_that_only_this_network_reaches(address: str):
    assert not is_public(address)
    assert not may_be_called(address, allow_local=False)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_only_this_machine_is_local(address: str):
    assert may_be_called(address, allow_local=True)
    assert not may_be_called("10.0.0.1", allow_local=True)
    assert not may_be_called("169.254.169.254", allow_local=True)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://example.com/hook?x=1", None),
        ("https://example.com:8443", None),
        ("https://8.8.8.8/", None),
        ("http://example.com", "must begin with https://"),
        ("ftp://example.com", "must begin with https://"),
        ("example.com", "must begin with https://"),
        ("https:///path", "must name a host"),
        ("https://example.com:99999", "is no address"),
        ("https://[::1", "is no address"),
        ("https://user:secret@example.com", "must have no user name and no password in it"),
        ("https://127.0.0.1", "must name a public host"),
        ("https://[::ffff:10.0.0.1]", "must name a public host"),
        ("https://LOCALHOST.", "must name a public host"),
        ("https://a.localhost", "must name a public host"),
        ("https://169.254.169.254/latest/meta-data", "must name a public host"),
    ],
)
def test_what_a_url_is_refused_for(url: str, says: str | None):
    assert complaint(url, allow_local=False) == says


@pytest.mark.parametrize(
    "host",
    [
        "127.1",
        "127.0.1",
        "0x7f000001",
        "0x7f.1",
        "0X7F.0x0.0x0.0x1",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "127.0.0.01",
        "127.0.0.1.",
        "127.1.",
        "0",
        "0x0",
        "10.1",
        "0xa9fea9fe",
        "2852039166",
        "169.254.43518",
        "1.2.3.4.5",
        "8.8.2056",
        "134744072",
        "256.256.256.256",
        "%31%32%37.0.0.1",
        "127.0.0.1%20",
        "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
        "127\u30020\u30020\u30021",
        "\u2460\u2461\u2466.1",
        "\u24dbocalhost",
        "%6cocalhost",
        "localhost%00",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:0:0:1]",
        "[::1%25lo]",
        "[64:ff9b::127.0.0.1]",
    ],
)
def test_no_other_spelling_of_an_address_is_taken(host: str):
    """What the system's look-up would take for an address is refused even where that is public: it is not written as one."""
    assert complaint(f"https://{host}/", allow_local=False) == "must name a public host"
    assert complaint(f"https://{host}:8443", allow_local=False) == "must name a public host"


@pytest.mark.parametrize(
    "host", ["1and1.com", "0x7f.example.com", "4.example", "bücher.example", "a_b.example.com", "[2606:4700::1111]"]
)
def test_names_with_digits_and_other_letters_are_names(host: str):
    assert complaint(f"https://{host}/", allow_local=False) is None


def test_where_local_receivers_are_allowed_http_is():
    assert complaint("http://127.0.0.1:8000", allow_local=True) is None
    assert complaint("http://localhost:8000", allow_local=True) is None
    assert complaint("http://10.0.0.1", allow_local=True) == "must name a public host"
