"""The SQL of the PostgreSQL sink as text: pure, a function a statement."""

from collections.abc import Sequence

from psycopg import sql

from afflux.sinks.batch import TableName, TargetColumn, Truncate
from afflux.sinks.sql.meta import Meta
from afflux.sinks.state import REWOUND


def identifier(table: TableName) -> sql.Identifier:
    """Quote a table's name."""
    return sql.Identifier(table.schema, table.name)


def create_table(table: TableName, columns: Sequence[TargetColumn], key: Sequence[str], meta: Meta) -> sql.Composed:
    """Declare a target table: the source's columns, those of afflux's own, and the key. Only the key is NOT NULL."""
    lines = [sql.SQL("{} {}").format(sql.Identifier(c.name), sql.SQL(c.type.ddl())) for c in columns]
    lines += [sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(of)) for name, of in meta.types.items()]
    lines.append(sql.SQL("PRIMARY KEY ({})").format(_names(key)))
    return sql.SQL("CREATE TABLE {} ({})").format(identifier(table), sql.SQL(", ").join(lines))


def index_current(table: TableName, key: Sequence[str], meta: Meta) -> sql.Composed:
    """See to it that a row has one current version, and that it is found."""
    return sql.SQL("CREATE UNIQUE INDEX ON {} ({}) WHERE {}").format(
        identifier(table), _names([meta.names.shard, *key]), sql.Identifier(meta.names.current)
    )


def add_column(table: TableName, column: TargetColumn) -> sql.Composed:
    """Add a nullable column."""
    kind = sql.SQL(column.type.ddl())
    return sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(identifier(table), sql.Identifier(column.name), kind)


def add_own_column(table: TableName, name: str, of: str) -> sql.Composed:
    """Add a column of afflux's own."""
    return sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(identifier(table), sql.Identifier(name), sql.SQL(of))


def truncate(table: TableName, meta: Meta) -> sql.Composed:
    """Delete a shard's rows older than a truncate, or mark them; parameters: `truncated`."""
    older = sql.SQL("{} = %(shard)s AND {} < %(lsn)s").format(
        sql.Identifier(meta.names.shard), sql.Identifier(meta.names.lsn)
    )
    if not meta.keeping.soft:
        return sql.SQL("DELETE FROM {} WHERE {}").format(identifier(table), older)
    time = "timestamptz 'epoch' + make_interval(secs => %(source_ts)s / 1e6)"
    said = {
        "deleted": "true",
        "deleted_at": time,
        "source_ts": time,
        "synced_at": "clock_timestamp()",
        "lsn": "%(lsn)s",
    }
    if meta.keeping.lineage:
        said |= {part: f"%({part})s" for part in ("topic", "partition", "offset", "transaction")} | {"op": "'t'"}
    marks = [
        sql.SQL("{} = {}").format(sql.Identifier(getattr(meta.names, part)), sql.SQL(value))
        for part, value in said.items()
    ]
    return sql.SQL("UPDATE {} SET {} WHERE {} AND NOT {}").format(
        identifier(table), sql.SQL(", ").join(marks), older, sql.Identifier(meta.names.deleted)
    )


def truncated(truncate: Truncate) -> dict[str, object]:
    """Give a truncate as parameters."""
    parts = ("shard", "lsn", "source_ts", "topic", "partition", "offset", "transaction")
    return {part: getattr(truncate, part) for part in parts}


def _names(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)


CREATE_SCHEMA = "CREATE SCHEMA afflux"

LAYOUTS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE afflux.version (version integer NOT NULL)",
        """CREATE TABLE afflux.positions (
          topology text, consumer_group text, topic text, partition integer,
          topic_id text, next_offset bigint NOT NULL, epoch bigint NOT NULL,
          owner text NOT NULL, updated_at timestamptz NOT NULL,
          PRIMARY KEY (topology, consumer_group, topic, partition))""",
        f"CREATE INDEX positions_rewound ON afflux.positions (topology, consumer_group) WHERE owner LIKE '{REWOUND}%'",
        """CREATE TABLE afflux.contested (
          topology text NOT NULL, target text NOT NULL, shard text NOT NULL,
          lsn bigint NOT NULL, source_ts timestamptz NOT NULL, since timestamptz NOT NULL, version json NOT NULL)""",
        """CREATE TABLE afflux.truncations (
          topology text NOT NULL, consumer_group text NOT NULL, target text NOT NULL, shard text NOT NULL,
          lsn bigint NOT NULL, topics text[] NOT NULL, partitions integer[] NOT NULL, ends bigint[] NOT NULL)""",
        "CREATE INDEX contested_of ON afflux.contested (topology, target)",
        """CREATE TABLE afflux.moves (
          topology text, target text, shard text, lsn bigint, half text CHECK (half IN ('departed', 'arrived')),
          at timestamptz NOT NULL, unknown text[] NOT NULL, version json NOT NULL,
          PRIMARY KEY (topology, target, shard, lsn, half))""",
        """CREATE TABLE afflux.dead_letters (
          topology text, consumer_group text, topic text, partition integer, "offset" bigint,
          key bytea, value bytea NOT NULL, headers json NOT NULL, kind text NOT NULL, reason text NOT NULL,
          state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'superseded', 'replayed', 'discarded')),
          first_seen timestamptz NOT NULL DEFAULT now(), last_seen timestamptz NOT NULL DEFAULT now(),
          PRIMARY KEY (topology, consumer_group, topic, partition, "offset"))""",
        "CREATE INDEX dead_letters_open ON afflux.dead_letters (topology, consumer_group, topic, key) WHERE state = 'open'",
        """CREATE TABLE afflux.tables (
          topology text, consumer_group text, topic text, stopped_at timestamptz NOT NULL, reason text NOT NULL,
          PRIMARY KEY (topology, consumer_group, topic))""",
    ),
    (
        """CREATE TABLE afflux.watermarks (
          topology text, consumer_group text, shard text,
          watermark timestamptz, lsn bigint, updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          left_out text[] NOT NULL DEFAULT '{}', dead_letters bigint NOT NULL DEFAULT 0,
          PRIMARY KEY (topology, consumer_group, shard))""",
    ),
    (
        """CREATE TABLE afflux.resyncs (
          topology text, consumer_group text, topic text, shard text NOT NULL, source text NOT NULL, lsn bigint NOT NULL,
          id text NOT NULL, by_signal boolean NOT NULL, heard bigint NOT NULL,
          partitions integer[] NOT NULL, starts bigint[] NOT NULL, ends bigint[],
          state text NOT NULL CHECK (state IN ('asked', 'read', 'done', 'failed')), reason text NOT NULL,
          asked_by text NOT NULL, asked_at timestamptz NOT NULL, closed_at timestamptz,
          PRIMARY KEY (topology, consumer_group, topic))""",
    ),
    (
        "ALTER TABLE afflux.moves ADD COLUMN origin bigint",
        """CREATE TABLE afflux.keepings (
          topology text, consumer_group text, schema text, name text, mode text NOT NULL,
          PRIMARY KEY (topology, consumer_group, schema, name))""",
    ),
    (
        """CREATE TABLE afflux.collisions (
          topology text, target text, key text, shards text[] NOT NULL, since timestamptz NOT NULL,
          lasts boolean NOT NULL DEFAULT false, PRIMARY KEY (topology, target, key))""",
    ),
    (
        """CREATE TABLE afflux.shards (
          topology text, consumer_group text, shard text, prefix text NOT NULL, seen_at timestamptz NOT NULL,
          decision text NOT NULL DEFAULT '' CHECK (decision IN ('', 'keep', 'delete')), done boolean NOT NULL DEFAULT false,
          PRIMARY KEY (topology, consumer_group, shard))""",
    ),
    (
        """CREATE TABLE afflux.emptied (
          topology text, consumer_group text, target text, shard text, source_ts bigint NOT NULL,
          PRIMARY KEY (topology, consumer_group, target, shard))""",
    ),
    (
        "ALTER TABLE afflux.dead_letters ADD COLUMN told boolean NOT NULL DEFAULT false",
        "CREATE INDEX dead_letters_untold ON afflux.dead_letters (topology, consumer_group, first_seen) WHERE NOT told",
    ),
    (
        "CREATE INDEX moves_arrived ON afflux.moves (topology, target) WHERE half = 'arrived'",
        "CREATE INDEX moves_unknown ON afflux.moves (topology, target) WHERE origin IS NOT NULL AND unknown <> '{}'",
    ),
    (
        """CREATE TABLE afflux.claims (
          schema text, name text, topology text, shared boolean NOT NULL, PRIMARY KEY (schema, name, topology))""",
    ),
)
"""The sink's own state: what each version of its layout adds to the one before it."""

VERSION = len(LAYOUTS)

CLAIM = """
INSERT INTO afflux.positions AS p
  (topology, consumer_group, topic, partition, topic_id, next_offset, epoch, owner, updated_at)
SELECT %(topology)s, %(group)s, topic, partition, topic_id, 0, 1, %(owner)s, clock_timestamp()
FROM unnest(%(topics)s::text[], %(partitions)s::integer[], %(topic_ids)s::text[]) AS v (topic, partition, topic_id)
ORDER BY topic, partition
ON CONFLICT (topology, consumer_group, topic, partition)
DO UPDATE SET epoch = p.epoch + 1, owner = EXCLUDED.owner, updated_at = EXCLUDED.updated_at,
  topic_id = coalesce(p.topic_id, EXCLUDED.topic_id)
RETURNING topic, partition, next_offset, epoch"""

RECREATED = """
SELECT DISTINCT topic FROM afflux.positions JOIN unnest(%(topics)s::text[], %(topic_ids)s::text[]) AS v (topic, id) USING (topic)
WHERE topology = %(topology)s AND consumer_group = %(group)s AND topic_id <> id"""

REWOUND_SINCE = f"""
SELECT topic, partition FROM afflux.positions
WHERE topology = %(topology)s AND consumer_group = %(group)s AND owner LIKE '{REWOUND}%%'"""  # noqa: S608 - a constant

MOVE = """
UPDATE afflux.positions p SET next_offset = v.last, updated_at = clock_timestamp()
FROM unnest(%(topics)s::text[], %(partitions)s::integer[], %(starts)s::bigint[], %(ends)s::bigint[], %(epochs)s::bigint[])
  AS v (topic, partition, first, last, epoch)
WHERE p.topology = %(topology)s AND p.consumer_group = %(group)s AND p.topic = v.topic AND p.partition = v.partition
  AND p.epoch = v.epoch AND p.next_offset = v.first"""

READ = """
SELECT topic, partition, next_offset, epoch, owner FROM afflux.positions
WHERE topology = %(topology)s AND consumer_group = %(group)s
  AND (topic, partition) IN (SELECT * FROM unnest(%(topics)s::text[], %(partitions)s::integer[]))"""

STOP_TABLE = """
INSERT INTO afflux.tables VALUES (%(topology)s, %(group)s, %(topic)s, clock_timestamp(), %(reason)s)
ON CONFLICT (topology, consumer_group, topic) DO UPDATE SET reason = EXCLUDED.reason"""

STOPPED_TABLES = "SELECT topic, reason FROM afflux.tables WHERE topology = %(topology)s AND consumer_group = %(group)s"
