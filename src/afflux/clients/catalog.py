"""What a shard's PostgreSQL says of itself: its catalogs as plain values, and the queries that read them."""

from dataclasses import dataclass
from typing import LiteralString


@dataclass(frozen=True)
class Server:
    """What one server and this role on it can do."""

    version: int
    """As `server_version_num`: 160004."""
    database: str
    wal_level: str
    max_slots: int
    used_slots: int
    max_senders: int
    used_senders: int
    standby: bool
    role: str
    may_replicate: bool
    may_create: bool
    """May make publications in this database."""
    oldest_transaction: int = 0
    """Transactions before this one are over."""
    max_kept_bytes: int | None = None
    """The WAL that a slot may keep at most (`max_slot_wal_keep_size`); None without a limit."""


@dataclass(frozen=True)
class Relation:
    """A table, or what could be taken for one, with all that decides whether its changes can be followed."""

    schema: str
    name: str
    kind: str = "r"
    """`r` table, `p` partitioned table, `v` view, `m` materialized view, `f` foreign table."""
    logged: bool = True
    identity: str = "d"
    """`d` default, `n` nothing, `f` full, `i` an index: PostgreSQL's `relreplident`."""
    root: str | None = None
    """For a partition: the topmost table, as `schema.name`."""
    attached: int | None = None
    """For a partition that was a table of its own once: the transaction that attached it."""
    primary_key: tuple[str, ...] = ()
    deferrable_key: bool = False
    identity_key: tuple[str, ...] = ()
    """The columns of the index that the identity uses."""
    generated: tuple[str, ...] = ()
    """Generated columns, which are in snapshots but not in changes."""
    hidden_rows: bool = False
    """Row-level security is active for this role."""
    readable: bool = True
    owned: bool = True

    @property
    def full_name(self) -> str:
        """`schema.name`, as topologies write it."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Column:
    """A column of a table, with what stock Debezium may lose of its values."""

    schema: str
    table: str
    name: str
    type: str
    """As PostgreSQL writes it: `numeric(12,2)`."""
    nullable: bool
    default: bool
    """It has a default, which stock Debezium writes in the place of NULL."""
    large: bool
    """Its values may be stored apart from their row (TOAST)."""


@dataclass(frozen=True)
class Publication:
    """A publication and what it publishes."""

    name: str
    tables: frozenset[tuple[str, str]] = frozenset()
    """(schema, table)."""
    all_tables: bool = False
    schemas: bool = False
    """It publishes whole schemas."""
    filtered: bool = False
    """It has row filters or column lists."""
    via_root: bool = True
    operations: frozenset[str] = frozenset({"insert", "update", "delete", "truncate"})
    owned: bool = True
    id: int = 0
    """Its own; one that is made again under its name has another."""


@dataclass(frozen=True)
class Slot:
    """A replication slot."""

    name: str
    plugin: str | None
    database: str | None
    active: bool
    pid: int | None = None
    """The server's process that sends from it; a reader that comes back has another one."""
    holder: str = ""
    """Who reads it: application name or process id."""
    wal_status: str | None = None
    """`reserved`, `extended`, `unreserved` or `lost`."""
    lag_bytes: int | None = None
    """WAL written since what the connector confirmed."""
    retained_bytes: int | None = None
    """WAL that the server keeps because of this slot."""
    flushed: int | None = None
    """The position up to which its reader has confirmed, as bytes of WAL since the server's first."""
    client: str = ""
    """The address of who reads it."""
    invalidated: str = ""
    """Why the server has given the slot up for good, where it says."""


SERVER: LiteralString = """
select current_setting('server_version_num')::int as version,
       current_database()::text as database,
       current_setting('wal_level') as wal_level,
       current_setting('max_replication_slots')::int as max_slots,
       (select count(*)::int from pg_replication_slots) as used_slots,
       current_setting('max_wal_senders')::int as max_senders,
       (select count(*)::int from pg_stat_replication) as used_senders,
       pg_is_in_recovery() as standby,
       current_user::text as role,
       r.rolsuper or r.rolreplication or exists (
           -- managed servers give the right through a role of their own
           select from pg_roles g where g.rolname in ('rds_replication', 'rds_superuser', 'cloudsqlsuperuser')
             and pg_has_role(r.oid, g.oid, 'member')) as may_replicate,
       has_database_privilege(current_database(), 'CREATE') as may_create,
       -- in megabytes, -1 for no limit
       (select nullif(setting::bigint, -1) * 1048576 from pg_settings where name = 'max_slot_wal_keep_size')
           as max_kept_bytes,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint as oldest_transaction
from pg_roles r where r.rolname = current_user
"""

RELATIONS: LiteralString = """
select n.nspname::text as schema,
       c.relname::text as name,
       c.relkind::text as kind,
       c.relpersistence = 'p' as logged,
       c.relreplident::text as identity,
       case when c.relispartition then (
           select rn.nspname || '.' || rc.relname
           from pg_class rc join pg_namespace rn on rn.oid = rc.relnamespace
           where rc.oid = pg_partition_root(c.oid)) end as root,
       -- A table's hidden columns are as old as itself. One that was made as a partition became one at that moment.
       case when c.relispartition then (
           select now.xid - ((now.xid - i.xmin::text::bigint) & 4294967295)
           from pg_inherits i, pg_attribute a, (select pg_snapshot_xmax(pg_current_snapshot())::text::bigint) now(xid)
           where i.inhrelid = c.oid and a.attrelid = c.oid and a.attnum = -1
             and i.xmin::text <> a.xmin::text) end as attached,
       coalesce(pk.columns, '{}') as primary_key,
       coalesce(not pk.immediate, false) as deferrable_key,
       coalesce(id.columns, '{}') as identity_key,
       array(select a.attname::text from pg_attribute a
             where a.attrelid = c.oid and a.attgenerated <> '' and not a.attisdropped
             order by a.attnum) as generated,
       c.relrowsecurity and row_security_active(c.oid) as hidden_rows,
       has_schema_privilege(n.oid, 'USAGE') and has_table_privilege(c.oid, 'SELECT') as readable,
       pg_has_role(c.relowner, 'USAGE') as owned
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
left join lateral (
    select array(select a.attname::text
                 from unnest(i.indkey::int2[]) with ordinality k(attnum, place)
                 join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
                 where k.place <= i.indnkeyatts order by k.place) as columns,
           i.indimmediate as immediate
    from pg_index i where i.indrelid = c.oid and i.indisprimary) pk on true
left join lateral (
    select array(select a.attname::text
                 from unnest(i.indkey::int2[]) with ordinality k(attnum, place)
                 join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
                 where k.place <= i.indnkeyatts order by k.place) as columns
    from pg_index i where i.indrelid = c.oid and i.indisreplident) id on true
where c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relpersistence <> 't'
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
order by 1, 2
"""

COLUMNS: LiteralString = """
select n.nspname::text as schema,
       c.relname::text as table,
       a.attname::text as name,
       format_type(a.atttypid, a.atttypmod) as type,
       not a.attnotnull as nullable,
       a.atthasdef and a.attgenerated = '' as default,
       a.attstorage <> 'p' as large
from pg_attribute a
join pg_class c on c.oid = a.attrelid
join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
order by 1, 2, a.attnum
"""

# Row filters, column lists and whole schemas came with PostgreSQL 15; asked for through JSON, older servers
# answer that there are none.
PUBLICATION: LiteralString = """
select p.pubname::text as name,
       p.puballtables as all_tables,
       p.pubviaroot as via_root,
       array_remove(array[case when p.pubinsert then 'insert' end, case when p.pubupdate then 'update' end,
                          case when p.pubdelete then 'delete' end, case when p.pubtruncate then 'truncate' end],
                    null) as operations,
       pg_has_role(p.pubowner, 'USAGE') as owned,
       p.oid::bigint as id,
       array(select array[n.nspname::text, c.relname::text]
             from pg_publication_rel r join pg_class c on c.oid = r.prrelid
             join pg_namespace n on n.oid = c.relnamespace where r.prpubid = p.oid) as tables,
       exists (select from pg_publication_rel r where r.prpubid = p.oid
               and (to_jsonb(r) ->> 'prqual' is not null or to_jsonb(r) ->> 'prattrs' is not null)) as filtered,
       (select count(*) from pg_publication_tables t where t.pubname = p.pubname) >
       (select count(*) from pg_publication_rel r where r.prpubid = p.oid) and not p.puballtables as schemas
from pg_publication p where p.pubname = %s
"""

SLOT: LiteralString = """
select s.slot_name::text as name,
       s.plugin::text as plugin,
       s.database::text as database,
       s.active,
       s.active_pid as pid,
       coalesce(nullif(a.application_name, ''), 'process ' || s.active_pid, '') as holder,
       s.wal_status,
       pg_wal_lsn_diff(now.lsn, s.confirmed_flush_lsn)::bigint as lag_bytes,
       pg_wal_lsn_diff(now.lsn, s.restart_lsn)::bigint as retained_bytes,
       pg_wal_lsn_diff(s.confirmed_flush_lsn, '0/0')::bigint as flushed,
       coalesce(host(a.client_addr), '') as client,
       -- said from PostgreSQL 17 on; asked for through JSON, older servers answer nothing
       coalesce(to_jsonb(s) ->> 'invalidation_reason', '') as invalidated
from pg_replication_slots s
left join pg_stat_activity a on a.pid = s.active_pid
cross join (select case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end) now(lsn)
where s.slot_name = %s
"""

POSITION: LiteralString = "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint as position"

MARK: LiteralString = "select pg_wal_lsn_diff(pg_logical_emit_message(true, %s, 'mark'), '0/0')::bigint as position"

CONFIRMED: LiteralString = """
select pg_wal_lsn_diff(confirmed_flush_lsn, '0/0')::bigint as position from pg_replication_slots where slot_name = %s
"""

SIZE: LiteralString = """
select coalesce((select sum(pg_total_relation_size(relid)) from pg_partition_tree(r.oid)), pg_total_relation_size(r.oid))::bigint as size
from (select to_regclass(%s)::oid as oid) r where r.oid is not null
"""
