"""Where a request of ours may go: public servers by https, and nowhere within, however it is written."""

import pytest

from actors.adapters.outward import PORTS, Target, address_of, is_public, target_of
from actors.errors import InvalidCommand

GOOD = {
    "https://hooks.shop.com": Target("hooks.shop.com", 443, "/", secure=True),
    "https://hooks.shop.com/": Target("hooks.shop.com", 443, "/", secure=True),
    "https://hooks.shop.com:443/in": Target("hooks.shop.com", 443, "/in", secure=True),
    "https://hooks.shop.com:8443/in?a=b&c=%20": Target("hooks.shop.com", 8443, "/in?a=b&c=%20", secure=True),
    "https://a.b.c.d.shop.cn/x/../y": Target("a.b.c.d.shop.cn", 443, "/x/../y", secure=True),
    "https://xn--fiq228c.xn--fiqs8s/p": Target("xn--fiq228c.xn--fiqs8s", 443, "/p", secure=True),
    "https://1.2.3.shop.com/p": Target("1.2.3.shop.com", 443, "/p", secure=True),
    "https://shop.com/@user:80": Target("shop.com", 443, "/@user:80", secure=True),
}
OTHER_SCHEMES = [
    *("http://shop.com/", "HTTP://shop.com/", "ftp://shop.com/", "file:///etc/passwd", "gopher://shop.com/"),
    *("//shop.com/", "shop.com", "shop.com/hook", "https:/shop.com", "https:shop.com", "https:///shop.com", "https://"),
    *("", " ", "https", "javascript:alert(1)", "data:text/plain,x", "unix:///run/x.sock", "wss://shop.com/"),
    *(
        "HTTPS://shop.com/",
        "https;//shop.com/",
        "https:\\\\shop.com\\",
        "jar:https://shop.com!/",
        "dict://shop.com:443/",
    ),
]
OTHER_PORTS = [
    *("https://shop.com:80/", "https://shop.com:22/", "https://shop.com:6379/", "https://shop.com:0/"),
    *("https://shop.com:65536/", "https://shop.com:-1/", "https://shop.com:/", "https://shop.com:443x/"),
    *("https://shop.com:0443/", "https://shop.com:443:443/", "https://shop.com:+443/", "https://shop.com:４４３/"),
    *("https://shop.com: 443/", "https://shop.com:9092/", "https://shop.com:8080/", "https://shop.com:99999999999/"),
]
ADDRESSES = [
    *("https://127.0.0.1/", "https://127.1/", "https://127.0.1/", "https://2130706433/", "https://0x7f000001/"),
    *("https://0x7f.0.0.1/", "https://0177.0.0.1/", "https://017700000001/", "https://0/", "https://0.0.0.0/"),
    *("https://10.0.0.1/", "https://172.16.0.1/", "https://192.168.1.1/", "https://169.254.169.254/latest/meta-data"),
    *(
        "https://100.64.0.1/",
        "https://8.8.8.8/",
        "https://127.0.0.1./",
        "https://127.0.0.0x1/",
        "https://１２７.0.0.1/",
    ),
    *("https://127。0。0。1/", "https://①②⑦.0.0.1/", "https://[::1]/", "https://[::]/", "https://[::ffff:127.0.0.1]/"),
    *("https://[::ffff:7f00:1]/", "https://[::127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[fe80::1%25eth0]/"),
    *("https://[fc00::1]/", "https://[fd00:ec2::254]/", "https://[2001:4860:4860::8888]/", "https://[v1.x]/"),
    *("https://0xa9fea9fe/", "https://2852039166/", "https://0251.0376.0251.0376/", "https://[0:0:0:0:0:0:0:1]:443/"),
    *("http://127.0.0.1:8000/", "http://127.0.0.1/", "http://localhost:8000/", "http://[::1]:8000/"),
]
NAMES = [
    *("https://localhost/", "https://localhost.localdomain/", "https://a.localhost/", "https://printer.local/"),
    *("https://metadata.google.internal/", "https://kubernetes.default.svc.cluster.local/", "https://metadata/"),
    *(
        "https://db.internal/",
        "https://router.lan/",
        "https://nas.home/",
        "https://mail.corp/",
        "https://1.in-addr.arpa/",
    ),
    *("https://router.home.arpa/", "https://shop.test/", "https://shop.invalid/", "https://shop.onion/"),
    *("https://shop/", "https://shop./", "https://shop.com./", "https://.shop.com/", "https://shop..com/"),
    *("https://-shop.com/", "https://shop-.com/", "https://sh_op.com/", "https://shöp.com/", "https://sho\u0440.com/"),
    *("https://shop.c/", "https://shop.123/", "https://shop.0x7f/", f"https://{'a' * 64}.com/"),
    *(f"https://{'a.' * 130}com/", "https://*.shop.com/", "https://shop%2ecom/", "https://%6cocalhost/"),
    *("https://SHOP.com/", "https://shop.intranet/", "https://shop.private/", "https://shop.example/"),
]
PARTS = [
    *("https://user@shop.com/", "https://user:word@shop.com/", "https://shop.com@127.0.0.1/", "https://@shop.com/"),
    *("https://127.0.0.1#@shop.com/", "https://shop.com#x", "https://shop.com/#x", "https://shop.com?x"),
    *("https://shop.com\\@127.0.0.1/", "https://shop.com\\.evil.com/", "https://shop.com/a\\b", "https://shop.com /"),
    *(
        "https://shop.com/a b",
        "https://shop.com/\r\nHost: x",
        "https://shop.com/\n",
        "https://shop.com\t/",
        " https://shop.com/",
    ),
    *(
        "https://shop.com/\x00",
        "https://shop.com/ü",
        "https://shop.com/\u2028",
        "https://shop.com;/",
        "https://shop.com&/",
    ),
    *(
        "https://shop.com,127.0.0.1/",
        "https://shop.com|127.0.0.1/",
        'https://shop.com/"',
        f"https://shop.com/{'a' * 2100}",
    ),
    *("https://shop.com/\x7f", "https://[shop.com]/", "https://shop.com]/", "https://https://shop.com/"),
]
BAD = [*OTHER_SCHEMES, *OTHER_PORTS, *ADDRESSES, *NAMES, *PARTS]
PUBLIC = [
    *("8.8.8.8", "1.1.1.1", "93.184.216.34", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0"),
    *("192.167.255.255", "11.0.0.0", "126.255.255.255", "128.0.0.0", "223.255.255.255", "198.17.255.255"),
    *("2001:4860:4860::8888", "2606:4700:4700::1111", "2a00:1450::1", "2400:3200::1"),
]
WITHIN = [
    *("0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.1"),
    *("127.255.255.255", "169.254.0.1", "169.254.169.254", "172.16.0.0", "172.31.255.255", "192.0.0.1", "192.0.2.1"),
    *("192.88.99.1", "192.168.0.0", "192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.7"),
    *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "168.63.129.16", "100.100.100.200"),
    *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8", "64:ff9b::8.8.8.8"),
    *("64:ff9b:1::1", "100::1", "2001::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "5f00::1"),
    *("fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2606:4700::1%1", "2620:4f:8000::1"),
    *("", "shop.com", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "8.8.8.8 ", "8.8.8", "[::1]", ":", "８.8.8.8"),
]


def test_the_vectors_are_many_and_each_is_one() -> None:
    assert len(BAD) == len(set(BAD))
    assert len(GOOD) + len(BAD) >= 120


@pytest.mark.parametrize("url", GOOD)
def test_a_public_server_may_be_asked(url: str) -> None:
    assert target_of(url) == GOOD[url]


@pytest.mark.parametrize("url", BAD)
def test_whatever_else_a_url_may_say_is_refused_by_one_reason(url: str) -> None:
    with pytest.raises(InvalidCommand) as refused:
        target_of(url)
    assert refused.value.reason == "WEBHOOK_ADDRESS"


def test_one_port_of_this_machine_may_be_allowed_and_no_other_thing_of_it() -> None:
    assert target_of("http://127.0.0.1:8000/in", 8000) == Target("127.0.0.1", 8000, "/in", secure=False)
    for url in ("http://127.0.0.1:8001/", "http://localhost:8000/", "http://127.0.0.2:8000/", "http://[::1]:8000/"):
        with pytest.raises(InvalidCommand):
            target_of(url, 8000)
    with pytest.raises(InvalidCommand):
        target_of("https://127.0.0.1:8000/", 8000)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_public_network_is_connected_to(address: str) -> None:
    assert is_public(address)
    assert address_of(GOOD["https://hooks.shop.com"], [address]) == address


@pytest.mark.parametrize("address", WITHIN)
def test_an_address_within_is_not_connected_to_and_spoils_those_beside_it(address: str) -> None:
    assert not is_public(address)
    for answers in ([address], ["8.8.8.8", address], [address, "8.8.8.8"]):
        with pytest.raises(InvalidCommand):
            address_of(GOOD["https://hooks.shop.com"], answers)


def test_a_name_that_stands_for_nothing_is_refused() -> None:
    with pytest.raises(InvalidCommand):
        address_of(Target("shop.com", PORTS[0], "/", secure=True), [])
