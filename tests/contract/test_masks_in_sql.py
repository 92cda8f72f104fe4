"""A comparison masks the source's side in PostgreSQL: with the same outcome as the daemon's masks."""

import psycopg
import pytest
from psycopg import sql

from afflux.sinks.batch import TableName
from afflux.transforms.masks import Mask
from afflux.verify.compare import compare

TEXTS = [None, "", "abc", "1234", "4111111111111234", "ÄÖÜ\u00e9 \\ '%s' \n {}", "\U0001f511" * 9, "x" * 1000]


@pytest.mark.parametrize("mask", [Mask("hash", key=b"k" * 80), Mask("partial", keep=4), Mask("remove")], ids=str)
def test_masked_rows_are_equal_and_one_in_clear_is_a_difference(warehouse_url: str, mask: Mask) -> None:
    with (
        psycopg.connect(warehouse_url, autocommit=True) as source,
        psycopg.connect(warehouse_url, autocommit=True) as target,
    ):
        for name, more in (("masks_source", ""), ("masks_target", ", _shard text default 'shard0'")):
            source.execute(sql.SQL("drop table if exists {}").format(sql.Identifier("public", name)))
            source.execute(f"create table public.{name} (id int primary key, note text{more})".encode())
        for number, text in enumerate(TEXTS):
            source.execute("insert into public.masks_source values (%s, %s)", [number, text])
            source.execute("insert into public.masks_target values (%s, %s)", [number, mask.text(text)])

        def equal() -> bool:
            names = TableName("public", "masks_source"), TableName("public", "masks_target")
            return compare({"shard0": source}, target, names[0], into=names[1], masks={"note": mask}).equal

        assert equal()
        source.execute("update public.masks_target set note = 'in clear' where id = 4")
        assert not equal()
        source.execute("drop table public.masks_source, public.masks_target")
