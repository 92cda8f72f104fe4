"""The page of 200 shards in a real Chromium: light, dark and narrow. `make browser` collects it, a plain pytest does not."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from afflux.monitor import page as monitor
from afflux.monitor.health import HealthServer
from browser.simulated import Simulated, hour_ago
from unit.monitor.acting import TOKEN, Remembering

PICTURES = os.environ.get("PICTURES")
"""Where pictures are kept; they are only taken otherwise."""
LOOKS = 120
HOSTILE = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>'


class Stage:
    """A simulated supervisor, and the page that shows it."""

    def __init__(self, world: Simulated, looks: int) -> None:
        self._world, self._seen = world, world.look()
        self.hands = Remembering()
        self.hands.found = world.letters()
        self.hands.text = world.letter()
        self._page = monitor.Page(lambda: self._seen, world.deeds, schemas=world.schemas, hands=self.hands)
        for _ in range(looks):
            self._page.turn()
            self.go_on()
        self._page.start()
        self._server = HealthServer("127.0.0.1", 0, str, str, pages=self._page.routes)
        self._server.start()
        self.address = f"http://127.0.0.1:{self._server.port}/"

    def go_on(self) -> None:
        self._seen = self._world.look()

    def close(self) -> None:
        self._page.stop()
        self._server.stop()


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    made = Stage(Simulated(begun=hour_ago()), LOOKS)
    yield made
    made.close()


@pytest.fixture
def hostile() -> Iterator[Stage]:
    made = Stage(Simulated(begun=hour_ago(), said=HOSTILE), 2)
    yield made
    made.close()


@pytest.fixture(params=["light", "dark", "narrow"])
def view(request: pytest.FixtureRequest, browser: Browser, stage: Stage) -> Iterator[tuple[str, Page]]:
    name = str(request.param)
    size = {"width": 390, "height": 844} if name == "narrow" else {"width": 1280, "height": 1000}
    context = browser.new_context(viewport=size, color_scheme="dark" if name == "dark" else "light")  # type: ignore[arg-type]
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            said.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda of: asked.append(of.url))
    page.goto(stage.address)
    expect(page.locator("#verdict")).to_contain_text("need you", timeout=20_000)
    yield name, page
    assert said == []
    assert all(url.startswith((stage.address, "data:")) for url in asked)
    context.close()


def test_all_is_readable_and_nothing_overflows(view: tuple[str, Page], tmp_path: Path) -> None:
    name, page = view
    expect(page.locator("#deeds li")).to_have_count(2, timeout=30_000)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    expect(page.locator(".dot")).to_have_count(200)
    expect(page.locator("#shards tr:not(.detail)")).to_have_count(25)
    expect(page.locator("#shards tr").first).to_have_attribute("data-level", "page")
    assert page.locator("#charts polyline").count() >= 4
    page.screenshot(path=Path(PICTURES or tmp_path) / f"{name}.png")


def test_two_hundred_shards_are_found_and_told_of(view: tuple[str, Page]) -> None:
    _, page = view
    page.get_by_role("button", name="show all 200 shards").click()
    expect(page.locator("#shards tr:not(.detail)")).to_have_count(200)
    page.get_by_label("only those that need you").check()
    expect(page.locator("#count")).to_contain_text("of 200")
    page.get_by_label("only those that need you").uncheck()
    page.get_by_label("find a shard").fill("shard013")
    expect(page.locator("#shards tr:not(.detail)")).to_have_count(1)
    page.get_by_role("button", name="shard013").click()
    detail = page.locator("#shards tr.detail")
    expect(detail).to_contain_text("full in 3h 53m (2h 30m to 8h 20m)")
    expect(detail.locator("svg")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_new_look_is_shown_without_asking(view: tuple[str, Page], stage: Stage) -> None:
    _, page = view
    before = page.locator("#live").text_content() or ""
    stage.go_on()
    expect(page.locator("#live")).not_to_have_text(before, timeout=10_000)


def enter(page: Page) -> None:
    page.get_by_role("button", name="act …").click()
    page.get_by_label("token").fill(TOKEN)
    page.get_by_role("button", name="enter").click()
    expect(page.locator("#acting")).to_have_text("acting as ops")


def test_who_has_a_token_acts_and_is_readable(view: tuple[str, Page], stage: Stage, tmp_path: Path) -> None:
    name, page = view
    enter(page)
    page.get_by_label("find a shard").fill("shard013")
    page.get_by_role("button", name="shard013").click()
    page.get_by_role("button", name="resynchronise …").click()
    page.get_by_label("why").fill("the slot was lost")
    page.get_by_label("to confirm").fill("shard013")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.screenshot(path=Path(PICTURES or tmp_path) / f"asking-{name}.png")
    page.locator("dialog button[type=submit]").click()
    expect(page.locator("#told")).to_have_text("resynchronise is done")
    page.locator("#letters li button").first.click()
    expect(page.locator("#letters pre").first).to_contain_text("schema id 9")
    page.get_by_label("all of warehouse").check()
    expect(page.get_by_role("button", name="discard 3 …")).to_be_enabled()
    page.locator("#dead").scroll_into_view_if_needed()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.screenshot(path=Path(PICTURES or tmp_path) / f"acting-{name}.png")
    page.get_by_role("button", name="leave").click()
    expect(page.locator("#letters li")).to_have_count(0)
    wish = stage.hands.wishes[-1]
    assert (wish.action, wish.shard, wish.confirm, wish.why) == (
        "resynchronise",
        "shard013",
        "shard013",
        "the slot was lost",
    )


def test_an_entry_outlives_a_reload(browser: Browser, stage: Stage) -> None:
    page = browser.new_page()
    page.goto(stage.address)
    enter(page)
    page.reload()
    expect(page.locator("#acting")).to_have_text("acting as ops")
    assert TOKEN not in page.evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])"
    )
    page.close()


def test_what_others_have_named_is_only_text(browser: Browser, hostile: Stage) -> None:
    page = browser.new_page()
    page.goto(hostile.address)
    expect(page.locator("#verdict")).to_contain_text(HOSTILE, timeout=20_000)
    expect(page.locator("#deeds")).to_contain_text(HOSTILE, timeout=30_000)
    page.get_by_role("button", name="shard099").click()
    expect(page.locator("#shards tr.detail:not([hidden])")).to_contain_text(f"shard099.public.{HOSTILE}")
    expect(page.locator("#schemas")).to_contain_text(HOSTILE, timeout=30_000)
    enter(page)
    page.locator("#letters li button").first.click()
    expect(page.locator("#letters pre").first).to_contain_text(json.dumps(HOSTILE)[1:-1])
    expect(page.locator("#letters")).to_contain_text(f"key {HOSTILE}")
    clean = "window.hit === undefined && document.querySelectorAll('body img, main script').length === 0"
    assert page.evaluate(clean)
    page.close()


def test_markup_can_not_be_made_even_by_mistake(browser: Browser, stage: Stage) -> None:
    page = browser.new_page()
    page.goto(stage.address)
    made = "() => { try { document.body.innerHTML = '<b>x</b>'; return true; } catch { return false; } }"
    assert not page.evaluate(made)
    page.close()
