"""What people do by the page, on the real stack: each deed is done, refused where it has to be, and in the audit."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from afflux.stack import Stack
from browser.real import HOSTILE, TOKEN, Acted, acted
from chaos.waiting import wait_for

pytestmark = pytest.mark.stack

PICTURES = os.environ.get("PICTURES")
SECONDS = 60_000
"""Milliseconds that the page may take to show what is so."""


@pytest.fixture(scope="module")
def real(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acted]:
    with acted(stack, tmp_path_factory.mktemp("page"), f"paged{os.getpid()}") as found:
        yield found


@pytest.fixture
def page(browser: Browser, real: Acted) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(real.page)
    expect(page.locator("#verdict")).not_to_contain_text("No look", timeout=SECONDS)
    yield page
    assert said == []
    context.close()


def enter(page: Page, token: str = TOKEN) -> None:
    page.get_by_role("button", name="act …").click()
    page.get_by_label("token").fill(token)
    page.get_by_role("button", name="enter").click()


def do(page: Page, button: str, why: str, **more: str) -> None:
    """Press a button, say why, and press on."""
    page.get_by_role("button", name=f"{button} …", exact=True).click()
    page.get_by_label("why").fill(why)
    for label, text in more.items():
        page.get_by_label(label).fill(text)
    page.locator("dialog button[type=submit]").click()


def test_schemas_that_differ_are_told_to_everybody(page: Page) -> None:
    schemas = page.locator("#schemas")
    expect(schemas).to_contain_text("colour", timeout=SECONDS)
    expect(schemas).to_contain_text("absent: shard0")
    expect(schemas).to_contain_text("note the contract says not null, there is nullable on shard0, shard1")


def test_a_wrong_token_opens_nothing(page: Page) -> None:
    enter(page, "a-token-that-nobody-has")
    expect(page.get_by_role("alert")).to_have_text("no token is like this one")
    page.get_by_role("button", name="not now").click()
    page.get_by_role("button", name="shard0", exact=True).click()
    expect(page.get_by_role("button", name="pause …")).to_have_count(0)


def test_dead_letters_are_read_discarded_and_replayed(page: Page, real: Acted) -> None:
    real.forbid(7001, 7002)
    expect(page.locator("#letters")).to_contain_text("2 are open", timeout=SECONDS)
    assert "7001" not in (page.locator("#letters").text_content() or "")  # a row's key, and nobody has entered
    enter(page)
    expect(page.locator("#acting")).to_have_text("acting as ops")
    letters = page.locator("#letters li")
    expect(letters).to_have_count(2, timeout=SECONDS)
    letters.first.get_by_role("button").click()
    expect(letters.first.locator("pre")).to_contain_text(HOSTILE.replace('"', '\\"'))
    assert page.evaluate("window.hit === undefined && document.querySelectorAll('main img').length === 0")
    letters.filter(has_text="key 7001").get_by_role("checkbox").check()
    if PICTURES:
        page.locator("#dead").scroll_into_view_if_needed()
        page.screenshot(path=Path(PICTURES) / "letters.png")
    do(page, "discard 1", "a test row")
    expect(letters).to_have_count(1, timeout=SECONDS)
    real.sql("delete from $.orders where id = 7001")  # what was given up is missing from the target for good
    letters.get_by_role("checkbox").check()
    do(page, "replay 1", "it is mended")
    expect(page.get_by_role("alert")).to_contain_text("1 of 1 failed again", timeout=SECONDS)
    page.get_by_role("button", name="not now").click()
    real.mend()
    expect(letters).to_have_count(1, timeout=SECONDS)
    letters.get_by_role("checkbox").check()
    do(page, "replay 1", "it is mended now")
    expect(page.locator("#told")).to_have_text("1 replayed", timeout=SECONDS)
    assert real.target("select id, note from $.orders where id > 7000") == [(7002, HOSTILE)]
    expect(page.locator("#deeds")).to_contain_text("it is mended now", timeout=SECONDS)
    told = [(deed["action"], deed["why"], deed["result"]) for deed in real.deeds()]
    assert told == [
        ("discard dead letters", "a test row", "done"),
        ("replay dead letters", "it is mended", "failed"),
        ("replay dead letters", "it is mended now", "done"),
    ]


def test_a_connector_is_paused_and_goes_on(page: Page, real: Acted) -> None:
    enter(page)
    page.get_by_role("button", name="shard0", exact=True).click()
    do(page, "pause", "the disk is changed")
    expect(page.locator("#told")).to_contain_text("is PAUSED", timeout=SECONDS)
    assert real.connect.status(real.names.connector).state == "PAUSED"  # type: ignore[union-attr]  # it is there
    expect(page.get_by_role("button", name="resume …")).to_be_visible(timeout=SECONDS)
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / "acting.png")
    do(page, "resume", "it is changed")
    expect(page.locator("#told")).to_contain_text("is RUNNING", timeout=SECONDS)
    do(page, "restart", "to be sure")
    expect(page.locator("#told")).to_contain_text("was RUNNING and is RUNNING", timeout=SECONDS)
    real.flows()


def test_a_shard_is_read_anew_only_when_its_name_is_typed(page: Page, real: Acted) -> None:
    real.await_well()
    enter(page)
    page.get_by_role("button", name="shard0", exact=True).click()
    do(page, "resynchronise", "the slot was lost", name="shard1")
    expect(page.get_by_role("alert")).to_contain_text("confirm it by the shard's name: shard0", timeout=SECONDS)
    page.get_by_label("name").fill("shard0")
    page.locator("dialog button[type=submit]").click()
    expect(page.locator("#told")).to_contain_text("all rows are read anew", timeout=SECONDS)
    deeds = [deed for deed in real.deeds() if deed["action"] == "resynchronise shard"]
    assert [(deed["why"], deed["shard"], deed["result"]) for deed in deeds] == [("the slot was lost", "shard0", "done")]
    real.await_well()
    wait_for(real.equal, 60, real.tails)


def test_nothing_that_another_site_sends_is_done(page: Page, real: Acted) -> None:
    """A page of another origin, in the browser of somebody who may act: forms, fetches, and reading along."""
    enter(page)
    expect(page.locator("#acting")).to_have_text("acting as ops")
    before = real.deeds()
    evil = page.context.new_page()
    evil.goto(real.page.replace("127.0.0.1", "localhost") + "livez")  # another origin to the browser
    attack = """async (target) => {
      const seen = [];
      for (const headers of [{'Content-Type': 'text/plain'}, {'Content-Type': 'application/json'}]) {
        for (const mode of ['cors', 'no-cors']) {
          try {
            const answer = await fetch(target + 'act', {method: 'POST', mode, headers, credentials: 'include',
              body: JSON.stringify({action: 'pause', shard: 'shard0', why: 'evil'})});
            seen.push(answer.status);
          } catch { seen.push('blocked'); }
        }
      }
      for (const path of ['', 'session', 'history', 'dead-letters?sink=warehouse']) {
        try { seen.push((await (await fetch(target + path, {credentials: 'include'})).text()).length); } catch { seen.push('blocked'); }
      }
      const form = document.createElement('form');
      Object.assign(form, {method: 'post', action: target + 'act', enctype: 'text/plain', target: '_blank'});
      const field = document.createElement('input');
      Object.assign(field, {name: '{"action": "pause", "shard": "shard0", "why": "evil', value: '"}'});
      form.append(field); document.body.append(form); form.submit();
      return seen;
    }"""
    seen = evil.evaluate(attack, real.page)
    assert set(seen) <= {"blocked", 0, 403, 415}, seen
    evil.wait_for_timeout(1000)
    assert real.deeds() == before
    evil.close()
