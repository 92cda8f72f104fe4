"""`afflux schemas` on real shards and a real registry."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from afflux.clients.registry import Registry
from afflux.errors import UsageError
from afflux.stack import Addresses
from chaos.waiting import wait_for
from estate import PATIENCE, Estate, estate

pytestmark = pytest.mark.stack

DDL = (
    "CREATE TYPE $.mood AS ENUM ('happy', 'sad')",
    "CREATE DOMAIN $.posint AS int CHECK (value > 0)",
    """CREATE TABLE $.orders (
        id bigint PRIMARY KEY, total numeric(12,2) NOT NULL, paid boolean NOT NULL, note text, code char(3), tags text[],
        name varchar(20), at timestamptz(3), plain timestamp, price money, mood $.mood, quantity $.posint, span interval,
        flags bit(4), data jsonb, ids uuid[])""",
    "INSERT INTO $.orders (id, total, paid) VALUES (1, 2.50, true)",
)


@pytest.fixture
def shop(addresses: Addresses, tmp_path: Path) -> Iterator[Estate]:
    with estate(addresses, tmp_path, "schemas") as place:
        place.sql(*DDL)
        place.apply()
        wait_for(
            lambda: sum(row["part"] == "value" and bool(row["table"]) for row in place.ask("schemas", "list")) == 2,
            PATIENCE,
            lambda: "both shards' rows are in Kafka",
        )
        yield place


def test_a_contract_holds_until_a_shard_changes_and_then_names_the_field(shop: Estate, tmp_path: Path) -> None:
    table, folder = f"{shop.name}.orders", str(tmp_path / "contracts")
    listed = [row for row in shop.ask("schemas", "list") if row["table"] == table]
    assert {(row["shard"], row["part"]) for row in listed} == {
        (s, p) for s in ("shard0", "shard1") for p in ("key", "value")
    }
    assert {row["compatibility"] for row in listed} == {"NONE"}

    # A contract of what events say is kept by what the catalogs say, type for type, and the other way round.
    for source in ("registry", "shards"):
        shop.operate("schemas", "register", table, "--to", folder, "--against", source, "--replace")
        assert shop.ask("schemas", "check", folder, "--against", "both") == []
        assert shop.ask("schemas", "diff", "--against", source) == []

    # A migration on one shard: its catalog says so at once, the registry with the first event that is of it.
    shop.sql("ALTER TABLE $.orders ALTER COLUMN total TYPE numeric(14,2), DROP COLUMN note", shard=1)
    wanted = {("total", "type", "numeric(12,2)", "numeric(14,2)"), ("note", "missing", "text", "absent")}

    def broken(source: str) -> set[tuple[str, ...]]:
        found = shop.ask("schemas", "check", folder, "--against", source, code=None)
        assert {tuple(line["where"]) for line in found} <= {("shard1",)}
        return {(line["field"], line["what"], line["promised"], line["found"]) for line in found}

    assert broken("shards") == wanted
    assert broken("registry") == set()
    shop.sql("INSERT INTO $.orders (id, total, paid) VALUES (2, 2.50, true)", shard=1)
    wait_for(lambda: broken("registry") == wanted, PATIENCE, lambda: f"{wanted}, and not {broken('registry')}")
    shop.operate("schemas", "check", folder, code=3)
    lines = shop.ask("schemas", "diff", table, code=3)
    assert {(line["field"], line["what"]) for line in lines} == {("total", "type"), ("note", "field")}
    assert lines[0]["values"] == {"numeric(12,2)": ["shard0"], "numeric(14,2)": ["shard1"]}


def test_the_subjects_of_a_shard_that_is_gone_are_deleted_and_no_other_s(shop: Estate) -> None:
    def of_shards() -> set[str]:
        return {row["shard"] for row in shop.ask("schemas", "list")} - {""}

    with pytest.raises(UsageError, match="still has its connector"):
        shop.operate("schemas", "delete", "shard1", "--yes")
    shop.operate("connectors", "remove", "shard1", "--drop-slot", "--drop-publication", "--yes")
    shop.shards = [0]
    shop.write()  # it need not be in the topology any more
    deleted = {row["deleted"] for row in shop.ask("schemas", "delete", "shard1", "--yes")}
    assert f"{shop.topic('orders', 1)}-value" in deleted
    shop.shards = [0, 1]
    shop.write()
    assert of_shards() == {"shard0"}
    registry = Registry(shop.addresses.registry)
    assert deleted <= registry.subjects(deleted=True)
    assert {row["deleted"] for row in shop.ask("schemas", "delete", "shard1", "--hard", "--yes")} == deleted
    assert not deleted & registry.subjects(deleted=True)
    assert shop.ask("schemas", "delete", "shard1", "--hard", "--yes") == []
