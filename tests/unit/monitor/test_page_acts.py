"""Only who has a token acts on the page, and nothing that another site sends counts: each guard is attacked."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import structlog

from unit.monitor.acting import TOKEN, Browser, Remembering, served


@pytest.fixture
def hands() -> Remembering:
    return Remembering()


@pytest.fixture
def port(hands: Remembering) -> Iterator[int]:
    with served(hands) as port:
        yield port


@pytest.fixture
def browser(port: int) -> Browser:
    return Browser(port)


def test_who_has_a_token_acts_under_its_name_with_a_reason(browser: Browser, hands: Remembering) -> None:
    entered = browser.enter()
    assert (entered.status_code, entered.json()["name"]) == (200, "ops")
    assert browser.act().json() == {"told": "restart is done"}
    (wish,) = hands.wishes
    assert (wish.by, wish.action, wish.shard, wish.why) == ("ops at 127.0.0.1", "restart", "shard0", "it hangs")
    assert browser.get("session").json() == {"may": True, "name": "ops", "csrf": browser.csrf}
    browser.post("leave", {})
    assert browser.act().status_code == 401
    assert len(hands.wishes) == 1


def test_the_cookie_is_for_this_page_alone(browser: Browser) -> None:
    cookie = browser.enter().headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path" not in cookie  # the folder that the page is in, wherever a proxy puts it
    assert "Secure" not in cookie
    behind_tls = browser.post("enter", {"token": TOKEN}, Origin=browser.origin.replace("http:", "https:"))
    assert "Secure" in behind_tls.headers["Set-Cookie"]


@pytest.mark.parametrize("token", ["", TOKEN[:-1], TOKEN + " ", TOKEN.upper(), "wrong", "\x00", "ö"])
def test_a_wrong_token_opens_nothing(browser: Browser, hands: Remembering, token: str) -> None:
    refused = browser.enter(token)
    assert refused.status_code == 401
    assert "Set-Cookie" not in refused.headers
    assert browser.act().status_code == 401
    assert hands.wishes == []


def test_without_a_token_nobody_acts_nor_reads_a_row(browser: Browser, hands: Remembering) -> None:
    assert browser.act().status_code == 401
    assert browser.get("dead-letters?sink=warehouse").status_code == 401
    assert browser.get("dead-letters?sink=warehouse&id=t:0:1").status_code == 401
    browser.http.cookies.set("afflux-orders", "forged")
    assert browser.act().status_code == 401
    assert hands.wishes == []


def test_a_topology_without_tokens_lets_nobody_in() -> None:
    with served(Remembering(tokens={})) as port:
        browser = Browser(port)
        assert browser.get("session").json() == {"may": False, "name": None, "csrf": None}
        assert browser.enter("").status_code == 401
        assert browser.enter().status_code == 401


@pytest.mark.parametrize(
    "forged",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": None},
        {"Origin": "http://127.0.0.1"},  # another port of this machine
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"},
        {"X_Afflux_Csrf": None},
        {"X_Afflux_Csrf": ""},
        {"X_Afflux_Csrf": "guessed"},
    ],
    ids=str,
)
def test_a_forged_request_does_nothing_though_it_has_the_cookie(
    browser: Browser, hands: Remembering, forged: dict[str, Any]
) -> None:
    browser.enter()
    assert browser.act(**forged).status_code in {403, 415}
    assert hands.wishes == []
    assert browser.act().status_code == 200


def test_the_csrf_token_of_another_session_is_none(port: int, hands: Remembering) -> None:
    mine, yours = Browser(port), Browser(port)
    mine.enter()
    yours.enter()
    assert mine.act(X_Afflux_Csrf=yours.csrf).status_code == 403
    before = mine.csrf
    mine.enter()
    assert mine.act(X_Afflux_Csrf=before).status_code == 403
    assert hands.wishes == []


def test_a_name_that_was_bent_to_this_machine_sees_nothing(port: int, browser: Browser) -> None:
    browser.enter()
    for path in ("", "live", "history", "session", "dead-letters?sink=warehouse"):
        refused = browser.get(path, Host=f"evil.example:{port}")
        assert (refused.status_code, "monitor.page.hosts" in refused.text) == (421, True)
    assert browser.act(Host="evil.example", Origin="http://evil.example").status_code == 421
    assert browser.get("livez", Host="evil.example").status_code == 200  # an orchestrator asks by any name


@pytest.mark.parametrize("host", ["localhost", "[::1]", "10.1.2.3", "afflux.example.com", "AFFLUX.example.com"])
def test_addresses_and_declared_names_are_this_page(host: str) -> None:
    with served(Remembering(hosts=["afflux.example.com"])) as port:
        assert requests.get(f"http://127.0.0.1:{port}/", headers={"Host": f"{host}:{port}"}, timeout=10).ok


@pytest.mark.parametrize("host", ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "[::1", "1"])
def test_nothing_else_is(port: int, host: str) -> None:
    assert requests.get(f"http://127.0.0.1:{port}/", headers={"Host": host}, timeout=10).status_code in {400, 421}


def test_a_session_ends_with_its_token(browser: Browser, hands: Remembering) -> None:
    browser.enter()
    hands.known["ops"] = "another-token-of-good-length"
    assert browser.act().status_code == 401
    hands.known["ops"] = TOKEN
    assert browser.act().status_code == 401  # over is over
    assert hands.wishes == []


@pytest.mark.parametrize(
    "what",
    [
        [],
        "act",
        {"action": "restart", "shard": "shard0"},
        {"action": "restart", "shard": "shard0", "why": " \n "},
        {"action": ["restart"], "why": "x"},
        {"action": "replay", "ids": "t:0:1", "why": "x"},
        {"action": "replay", "ids": [1], "why": "x"},
    ],
    ids=str,
)
def test_what_is_no_wish_is_refused(browser: Browser, hands: Remembering, what: object) -> None:
    browser.enter()
    assert browser.post("act", what).status_code == 400
    assert hands.wishes == []


def test_a_request_that_is_too_long_is_not_read(browser: Browser) -> None:
    browser.enter()
    assert browser.post("act", {"why": "x" * 100_000}).status_code == 413


def test_why_it_failed_is_told_with_what_to_do(browser: Browser) -> None:
    browser.enter()
    failed = browser.post("act", {"action": "restart", "shard": "none", "why": "x"})
    assert (failed.status_code, failed.json()) == (422, {"error": "there is no shard 'none'", "hint": "look again"})


def test_no_token_is_in_an_answer_or_a_log(browser: Browser) -> None:
    with structlog.testing.capture_logs() as logs:
        said = [browser.enter("x" + TOKEN), browser.enter(), browser.act(), browser.get("session"), browser.get("")]
    assert all(TOKEN not in answer.text + str(answer.headers) for answer in said)
    assert {line["event"] for line in logs} == {"refused", "entered"}
    assert TOKEN not in str(logs)


def test_a_page_that_only_shows_has_nothing_to_act_by() -> None:
    with served(None) as port:
        browser = Browser(port)
        assert browser.post("act", {}).status_code == 404
        assert browser.get("").status_code == 200
