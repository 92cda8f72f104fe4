from itertools import islice
from pathlib import Path

from afflux.stack.logs import follow, tail


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("".join(f"{number}\n" for number in range(10)))
    assert tail(log, 3) == ["7", "8", "9"]
    assert tail(log, 0) == []
    assert tail(tmp_path / "none.log", 3) == []


def test_following_gives_new_lines_whole_and_survives_the_logs_renewal(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("one\ntwo\n")
    lines = follow(log, 1)
    assert next(lines) == "two"
    with log.open("a") as more:
        more.write("three\nfo")
    assert next(lines) == "three"
    with log.open("a") as more:
        more.write("ur\n")
    assert next(lines) == "four"
    log.write_text("new\nlog\n")
    assert list(islice(lines, 2)) == ["new", "log"]
