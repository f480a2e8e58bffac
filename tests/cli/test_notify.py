"""`notify`: a template from its draft to its end, what a person allows, and what is sent."""

import json

import pytest

from tests.cli.running import Platform

pytestmark = pytest.mark.cluster

FIELDS = json.dumps({"thing1": "your bike"})


def test_a_grant_is_asked_for_used_and_used_up(platform: Platform) -> None:
    platform("notify draft", "bike", "ready", "Ready", "thing1")
    assert platform("notify send", "bike", "nora", "ready", "a", FIELDS).error["reason"] == "template_not_approved"
    platform("notify approve", "bike", "ready")
    assert platform("notify send", "bike", "nora", "ready", "a", FIELDS).error["reason"] == "notify_refused"
    assert platform("notify answer", "bike", "nora", "ready").status == 0
    assert platform("notify send", "bike", "nora", "ready", "a", "{}").error["reason"] == "INVALID_FIELD"
    sent = platform("notify send", "bike", "nora", "ready", "a", FIELDS).value
    assert (sent["left"], sent["duplicate"]) == (0, False)
    assert platform("notify send", "bike", "nora", "ready", "a", FIELDS).value["duplicate"]
    assert platform("notify send", "bike", "nora", "ready", "b", FIELDS).error["reason"] == "notify_used_up"
    (grant,) = platform("notify grants", "bike", "nora").value["grants"]
    assert (grant["template"], grant["left"], grant["used"]) == ("ready", 0, 1)
    assert platform("why", sent["request_id"]).value["calls"][0]["asked"]["entity"] == "grants/bike/nora"
    assert platform("notify inbox", "bike", "nobody").value["items"] == []
    assert platform.text("notify inbox", "bike", "nobody") == "nothing\n"
    platform("notify disable", "bike", "ready")
    assert platform("notify answer", "bike", "nora", "ready").error["reason"] == "template_not_approved"
