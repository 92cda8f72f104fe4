"""DuckDB's own reader of Delta tables, in an environment of its own: the table's address and columns are arguments."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import duckdb

table, *columns = sys.argv[1:]
spec = find_spec("duckdb_ext")
assert spec is not None
assert spec.submodule_search_locations is not None
(extension,) = Path(next(iter(spec.submodule_search_locations))).rglob("delta.duckdb_extension")
connection = duckdb.connect()
connection.execute(f"LOAD '{extension}'")
connection.execute("SET TimeZone = 'UTC'")
types = dict(
    connection.sql(f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM delta_scan('{table}'))").fetchall()
)


def plain(name: str, of: str) -> str:
    """Write a value as JSON can hold it exactly."""
    if of.endswith("[]"):
        return f"list_transform({name}, lambda one: {plain('one', of.removesuffix('[]'))})"
    if of.startswith("TIMESTAMP"):
        return f"epoch_us({name})"
    if of == "DATE":
        return f"({name} - DATE '1970-01-01')"
    if of == "BLOB":
        return f"lower(hex({name}))"
    return f"CAST({name} AS VARCHAR)" if of.startswith("DECIMAL") else name


said = ", ".join(plain(name, types[name]) for name in columns)
found = connection.sql(f"SELECT {said} FROM delta_scan('{table}') ORDER BY {columns[0]}").fetchall()
sys.stdout.write(json.dumps([list(row) for row in found]))
