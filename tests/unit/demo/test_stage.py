import signal
from pathlib import Path

import pytest

from afflux.demo.stage import stage, take_down
from afflux.errors import UsageError


def nothing(*_: str) -> None:
    pass


def test_a_stack_that_is_not_the_demos_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(UsageError, match=r"holds a stack that is not the demo's"):
        stage(tmp_path, keep=False, say=nothing, report=nothing).__enter__()
    with pytest.raises(UsageError, match=r"holds a stack that is not the demo's"):
        take_down(tmp_path, report=nothing)
    assert (tmp_path / "state.json").read_text() == "{}"


def test_one_demo_at_a_time_plays_in_a_folder(tmp_path: Path) -> None:
    with stage(tmp_path, keep=False, say=nothing, report=nothing):
        for other in (
            lambda: stage(tmp_path, keep=False, say=nothing, report=nothing).__enter__(),
            lambda: take_down(tmp_path, report=nothing),
        ):
            with pytest.raises(UsageError, match=r"another demo plays in"):
                other()


def test_the_folder_goes_with_a_demo_that_went_well_and_stays_with_one_that_did_not(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with stage(folder, keep=False, say=nothing, report=nothing) as scene:
        (folder / "lake").mkdir()
        (folder / "warehouse.duckdb").touch()
        scene.well = True
    assert not folder.exists()
    with pytest.raises(KeyboardInterrupt), stage(folder, keep=False, say=nothing, report=nothing):
        raise KeyboardInterrupt
    assert folder.exists()
    take_down(folder, report=nothing)
    assert not folder.exists()


def test_somebody_elses_files_in_the_folder_stay(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with stage(folder, keep=False, say=nothing, report=nothing) as scene:
        (folder / "notes.txt").write_text("mine")
        scene.well = True
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_taking_down_nothing_is_harmless(tmp_path: Path) -> None:
    take_down(tmp_path / "demo", report=nothing)
    assert not (tmp_path / "demo").exists()


def test_the_signals_mean_what_they_meant_once_the_stage_is_left(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with stage(tmp_path, keep=False, say=nothing, report=nothing):
        assert signal.getsignal(signal.SIGTERM) != before[1]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before
