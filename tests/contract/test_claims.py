"""A target table has one topology that writes it, or several that all say so."""

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from afflux.errors import TableError
from afflux.sinks.batch import Batch, Keeping
from afflux.sinks.sql.postgresql import PostgresSink
from targets import PostgresTarget, changes, content


class Warehouse:
    """A warehouse that two topologies write into, and a table that both mean."""

    def __init__(self, url: str) -> None:
        self._url, self._target = url, PostgresTarget(url)
        self._first = f"one_{self._target.schema}"
        self.one, self.two = (
            PostgresSink(name="warehouse", url=url, topology=name, group="g")
            for name in (self._first, f"two_{self._target.schema}")
        )
        for sink in (self.one, self.two):
            sink.open()

    def write(self, sink: PostgresSink, key: int, *, shared: bool = False, again: bool = False) -> None:
        if again:  # as after a start: it asks the target anew
            sink.close()
        made = changes(self._target, [("shard0", key, False, key, "x")])
        sink.apply(Batch({}, (replace(made, keeping=Keeping(shared=shared)),)))

    def keys(self) -> list[int]:
        return [key for (key,) in content(self._target, "id")]

    def forget(self) -> None:
        with psycopg.connect(self._url) as connection:
            connection.execute("DELETE FROM afflux.claims WHERE topology = %s", [self._first])


@pytest.fixture
def warehouse(warehouse_url: str) -> Iterator[Warehouse]:
    made = Warehouse(warehouse_url)
    yield made
    for sink in (made.one, made.two):
        sink.close()


def test_a_table_of_another_topology_is_refused_and_untouched(warehouse: Warehouse) -> None:
    warehouse.write(warehouse.one, 1)
    with pytest.raises(TableError, match="is written by topology one") as refused:
        warehouse.write(warehouse.two, 2)
    assert "shared: true" in refused.value.hint
    assert warehouse.keys() == [1]
    warehouse.write(warehouse.one, 3, again=True)  # whose it is goes on
    assert warehouse.keys() == [1, 3]


def test_one_that_shares_alone_is_refused(warehouse: Warehouse) -> None:
    warehouse.write(warehouse.one, 1)
    with pytest.raises(TableError, match="is written by topology one"):
        warehouse.write(warehouse.two, 2, shared=True)


def test_two_that_both_share_write_side_by_side(warehouse: Warehouse) -> None:
    warehouse.write(warehouse.one, 1, shared=True)
    warehouse.write(warehouse.two, 2, shared=True)
    warehouse.write(warehouse.one, 3, shared=True, again=True)
    assert warehouse.keys() == [1, 2, 3]


def test_who_shares_no_more_is_refused_while_another_writes(warehouse: Warehouse) -> None:
    warehouse.write(warehouse.one, 1, shared=True)
    warehouse.write(warehouse.two, 2, shared=True)
    with pytest.raises(TableError, match="is written by topology two"):
        warehouse.write(warehouse.one, 3, again=True)


def test_a_claim_that_is_given_up_is_free(warehouse: Warehouse) -> None:
    warehouse.write(warehouse.one, 1)
    warehouse.forget()
    warehouse.write(warehouse.two, 2)
    assert warehouse.keys() == [1, 2]
