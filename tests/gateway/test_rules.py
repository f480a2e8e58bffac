"""Rules of ordinary links through a gateway: given, added, published, matched; by whom; all that is refused."""

from typing import Any

import grpc

from actors.settings import ProcessSettings
from gateway.v1 import ways_pb2 as pb
from tests.gateway.scene import reason_of, refused
from tests.gateway.street import Street, in_street

MAP, RIDE, HOST = "pages/map/index", "pages/ride/index", "shop.example"
PUBLISH = pb.PublishRulesRequest(program="bike", host=HOST)
INVALID, ABSENT, FAILED, DENIED = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.PERMISSION_DENIED,
)


def rule(prefix: str = "/map", page: str = MAP, host: str = HOST, program: str = "bike") -> pb.AddRuleRequest:
    """A rule of the shop's links."""
    return pb.AddRuleRequest(program=program, host=host, prefix=prefix, page=page)


def _match(street: Street, url: str) -> Any:
    return street.stub.MatchRule(pb.MatchRuleRequest(url=url))


def test_an_ordinary_link_leads_where_the_longest_published_prefix_says() -> None:
    async def act(street: Street) -> None:
        await street.stub.AddRule(rule())
        await street.stub.AddRule(rule("/map/ride", RIDE))
        code, status = await refused(_match(street, "https://shop.example/map"))
        assert (code, reason_of(status)) == (ABSENT, "NO_SUCH_RULE")
        await street.stub.PublishRules(PUBLISH)
        for url, prefix, page in (
            ("https://shop.example/map", "/map", MAP),
            ("http://SHOP.example/map/7?x=1#y", "/map", MAP),
            ("https://shop.example/map/ride/7", "/map/ride", RIDE),
        ):
            found = await _match(street, url)
            assert (found.program, found.prefix, found.page) == ("bike", prefix, page)
        for url in ("https://shop.example", "https://shop.example/else", "https://else.example/map"):
            assert reason_of((await refused(_match(street, url)))[1]) == "NO_SUCH_RULE"

    in_street(act)


REFUSED: list[tuple[str, Any, grpc.StatusCode, str]] = [
    ("AddRule", rule(page="pages/nowhere"), INVALID, "NO_SUCH_PAGE"),
    ("AddRule", rule(program="bar"), ABSENT, "NO_SUCH_PROGRAM"),
    ("AddRule", rule("map"), INVALID, "INVALID_COMMAND"),
    ("AddRule", rule("/map?x"), INVALID, "INVALID_COMMAND"),
    ("AddRule", rule("/" * 257), INVALID, "INVALID_COMMAND"),
    ("AddRule", rule(host=""), INVALID, "INVALID_HOST"),
    ("AddRule", rule(host="Shop.example"), INVALID, "INVALID_HOST"),
    ("AddRule", rule(host="shop.example/x"), INVALID, "INVALID_HOST"),
    ("PublishRules", pb.PublishRulesRequest(program="bike", host="x y"), INVALID, "INVALID_HOST"),
    ("MatchRule", pb.MatchRuleRequest(), INVALID, "INVALID_URL"),
    ("MatchRule", pb.MatchRuleRequest(url="ftp://shop.example/map"), INVALID, "INVALID_URL"),
    ("MatchRule", pb.MatchRuleRequest(url="https://ann@shop.example/map"), INVALID, "INVALID_URL"),
    ("MatchRule", pb.MatchRuleRequest(url="https://shop.example/" + "x" * 2_028), INVALID, "INVALID_URL"),
]


def test_what_no_rule_can_be_is_refused_by_its_reason_before_the_log() -> None:
    async def act(street: Street) -> None:
        before = street.on_log()
        for method, call, expected, reason in REFUSED:
            code, status = await refused(getattr(street.stub, method)(call))
            assert (code, reason_of(status)) == (expected, reason), call
        assert street.on_log() == before

    in_street(act)


def test_an_operator_gives_a_host_to_a_program_whose_server_keeps_its_rules() -> None:
    async def act(street: Street) -> None:
        for caller, expected, reason in (("server/bike", FAILED, "host_not_given"), ("person/bike/ann", DENIED, "")):
            code, status = await refused(street.stub.AddRule(rule(), metadata=street.by(caller)))
            assert code == expected
            assert reason in ("", reason_of(status))
        await street.stub.AddRule(rule(), metadata=street.by("operator/op"))
        await street.stub.AddRule(rule("/ride", RIDE), metadata=street.by("server/bike"))
        code, status = await refused(street.stub.PublishRules(PUBLISH, metadata=street.by("server/shop")))
        assert code == DENIED
        await street.stub.PublishRules(PUBLISH, metadata=street.by("server/bike"))
        asked = pb.MatchRuleRequest(url="https://shop.example/ride")
        assert (await street.stub.MatchRule(asked, metadata=street.by("account/ann"))).page == RIDE

    in_street(act, ProcessSettings(identity_required=True))
