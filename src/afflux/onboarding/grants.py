r"""The rights that afflux needs, as SQL for an administrator to read and run (pure).

The source's role owns nothing: it logs in, replicates and reads the topology's tables. The publication is the
administrator's, for only a table's owner may publish it. The sink's role owns the schemas that it writes. No password
is in the SQL: psql's `\password` sets one without showing it to the server's log.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

TableId = tuple[str, str]
"""(schema, name), as in the catalog."""

_OPERATIONS = "insert, update, delete, truncate"


@dataclass(frozen=True)
class Grants:
    """What one database needs.

    Attributes:
        where: whose, such as `shard shard0, database app on 10.0.0.1:5432`.
        run_as: who can run it.
        statements: SQL, one statement each, without semicolons.
        role: who gets a password afterwards.
    """

    where: str
    run_as: str
    statements: tuple[str, ...]
    role: str

    def script(self) -> str:
        """Write it for psql: it stops at the first error, and running it again changes nothing."""
        lines = [f"-- {self.where}", f"-- Run as {self.run_as}, with psql.", "\\set ON_ERROR_STOP on"]
        lines += [f"{statement};" for statement in self.statements]
        lines += ["-- Then give it a password, which goes over the wire and into no log as its hash alone:"]
        lines += [f"--   \\password {quoted(self.role)}"]
        return "\n".join(lines) + "\n"


def source_grants(
    where: str, database: str, role: str, publication: str, tables: Sequence[TableId], *, monitor: bool
) -> Grants:
    """Return what Debezium and afflux need on a shard.

    Args:
        where: how the database is named to people.
        database: its name.
        role: who logs in.
        publication: its name.
        tables: those of the topology, partitioned ones without their partitions.
        monitor: whether the role may see other sessions, to name who holds a slot back.
    """
    who = quoted(role)
    names = ", ".join(full_name(table) for table in tables)
    statements = [
        _made_once("pg_roles", "rolname", role, f"CREATE ROLE {who} LOGIN"),
        f"ALTER ROLE {who} LOGIN REPLICATION NOSUPERUSER NOCREATEDB NOCREATEROLE",
        f"GRANT CONNECT ON DATABASE {quoted(database)} TO {who}",
        *(f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {who}" for schema in _schemas(tables)),
        f"GRANT SELECT ON TABLE {names} TO {who}",
        _made_once("pg_publication", "pubname", publication, f"CREATE PUBLICATION {quoted(publication)}"),
        f"ALTER PUBLICATION {quoted(publication)} SET TABLE {names}",
        f"ALTER PUBLICATION {quoted(publication)} SET (publish = '{_OPERATIONS}', publish_via_partition_root = true)",
    ]
    if monitor:
        statements.append(f"GRANT pg_monitor TO {who}")
    return Grants(where, "a superuser, or as who owns the tables and may make roles", tuple(statements), role)


def sink_grants(where: str, database: str, role: str, schemas: Iterable[str]) -> Grants:
    """Return what the sink needs in its database: schemas of its own.

    Args:
        where: how the database is named to people.
        database: its name.
        role: who logs in.
        schemas: those of the target tables; `afflux`, for the sink's own state, comes with them.
    """
    who = quoted(role)
    statements = [
        _made_once("pg_roles", "rolname", role, f"CREATE ROLE {who} LOGIN"),
        f"ALTER ROLE {who} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE",
        # the sink stages each batch in a temporary table
        f"GRANT CONNECT, TEMPORARY ON DATABASE {quoted(database)} TO {who}",
        *(
            statement
            for schema in ["afflux", *sorted(set(schemas) - {"afflux"})]
            for statement in (
                f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}",
                f"GRANT USAGE, CREATE ON SCHEMA {quoted(schema)} TO {who}",
            )
        ),
    ]
    return Grants(where, "the database's owner or a superuser", tuple(statements), role)


def full_name(table: TableId) -> str:
    """Write a table's name as SQL."""
    return f"{quoted(table[0])}.{quoted(table[1])}"


def quoted(name: str) -> str:
    """Write an identifier as SQL, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def _made_once(catalog: str, column: str, name: str, statement: str) -> str:
    """Write a statement that is left out where there is something of that name: CREATE has no IF NOT EXISTS here."""
    tag = "$afflux$"
    while tag in name or tag in statement:
        tag = f"${tag[1:-1]}x$"
    value = "'" + name.replace("'", "''") + "'"
    missing = f"NOT EXISTS (SELECT FROM {catalog} WHERE {column} = {value})"
    return f"DO {tag} BEGIN IF {missing} THEN {statement}; END IF; END {tag}"


def _schemas(tables: Iterable[TableId]) -> list[str]:
    return sorted({schema for schema, _name in tables})
