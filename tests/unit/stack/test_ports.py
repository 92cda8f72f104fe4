import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afflux.errors import StackError
from afflux.stack.ports import HOST, RANGE, find_free, is_free, refuse_taken


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def test_a_port_that_somebody_listens_on_is_not_free(taken: int) -> None:
    assert not is_free(taken)


def test_a_taken_port_is_refused_by_number_part_and_holder(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("afflux.stack.ports.LINGER", 0)
    with pytest.raises(StackError, match=rf"port {taken}, which kafka .*\(pid {os.getpid()}\)") as caught:
        refuse_taken("kafka", taken)
    assert "port" in caught.value.hint


@given(seed=st.text(), taken=st.sets(st.integers(RANGE.start, RANGE.stop - 1), max_size=50))
def test_a_found_port_is_free_and_promised_to_nobody(seed: str, taken: set[int]) -> None:
    port = find_free(seed, taken)
    assert port in RANGE
    assert port not in taken
    assert is_free(port)


def test_found_ports_lie_below_those_of_outgoing_connections() -> None:
    given_out = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(given_out.read_text().split()[0]) if given_out.exists() else 49152  # IANA's, macOS's
    assert RANGE.stop <= first
