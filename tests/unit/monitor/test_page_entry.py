"""Sessions end, and are not too many."""

from afflux.monitor.page.entry import SESSION_SECONDS, SESSIONS, Entry

TOKENS = {"ops": "a-token-of-good-length", "night": "another-of-good-length"}


def test_each_token_has_its_own_name() -> None:
    entry = Entry(lambda: TOKENS)
    for name, token in TOKENS.items():
        entered = entry.enter(token)
        assert entered is not None
        assert entered[1].name == name


def test_a_session_ends_after_a_working_day() -> None:
    now = [0.0]
    entry = Entry(lambda: TOKENS, lambda: now[0])
    entered = entry.enter(TOKENS["ops"])
    assert entered is not None
    cookie, session = entered
    now[0] = SESSION_SECONDS - 1
    assert entry.session(cookie) == session
    now[0] = SESSION_SECONDS
    assert entry.session(cookie) is None


def test_the_oldest_session_makes_room() -> None:
    entry = Entry(lambda: TOKENS)
    cookies = [entered[0] for _ in range(SESSIONS + 1) if (entered := entry.enter(TOKENS["ops"]))]
    assert entry.session(cookies[0]) is None
    assert all(entry.session(cookie) for cookie in cookies[1:])


def test_a_session_is_known_by_its_cookie_alone() -> None:
    entry = Entry(lambda: TOKENS)
    entered = entry.enter(TOKENS["ops"])
    assert entered is not None
    assert entry.session(entered[1].csrf) is None
    assert entry.session("") is None
