"""Every metric's name, in one place. Base units; counters end in `_total`."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from afflux import __version__
from afflux.telemetry.lag import Lags, LagSummary
from afflux.telemetry.watched import Watched

REGISTRY = CollectorRegistry(auto_describe=True)
STEP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
LATENCY_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600)

ProcessCollector(registry=REGISTRY)
BUILD = Gauge("afflux_build_info", "Which afflux this is.", ["version"], registry=REGISTRY)
BUILD.labels(__version__).set(1)

EVENTS = Counter("afflux_sink_events_total", "Change events applied to the target.", registry=REGISTRY)
ROWS = Counter("afflux_sink_rows_total", "Rows written or deleted, after folding.", ["table"], registry=REGISTRY)
DEAD_LETTERS = Counter(
    "afflux_sink_dead_letters_total", "Events that became dead letters.", ["kind"], registry=REGISTRY
)
COMPLETED = Counter(
    "afflux_sink_completed_rows_total",
    "Rows that came without large unchanged values which the target had not, completed by the shard's row.",
    ["shard"],
    registry=REGISTRY,
)
COLLISIONS = Gauge(
    "afflux_sink_collisions",
    "Keys that two shards hold for longer than a row takes to move.",
    ["table"],
    registry=REGISTRY,
)
STOPPED = Gauge(
    "afflux_sink_stopped_topics", "Topics that are not read on until a person resumes them.", registry=REGISTRY
)
BATCHES = Counter("afflux_sink_batches_total", "Batches made durable.", registry=REGISTRY)
BYTES = Counter(
    "afflux_sink_bytes_total", "Bytes of messages applied, uncompressed and with their headers.", registry=REGISTRY
)
REJOINS = Counter(
    "afflux_sink_rejoins_total", "How often the worker joined its group anew, and why.", ["reason"], registry=REGISTRY
)
PREPARE_SECONDS = Histogram(
    "afflux_sink_prepare_seconds",
    "Time to decode and fold a batch; the batch before it is written meanwhile.",
    buckets=STEP_BUCKETS,
    registry=REGISTRY,
)
RETRIES = Counter(
    "afflux_sink_retries_total", "Attempts to apply a batch that failed and were repeated.", registry=REGISTRY
)
APPLY_SECONDS = Histogram(
    "afflux_sink_apply_seconds",
    "Time to make a batch durable.",
    buckets=STEP_BUCKETS,
    registry=REGISTRY,
)
LATENCIES = Lags()
REGISTRY.register(
    LagSummary(
        "afflux_sink_latency_seconds",
        "From a row's commit at the shard to the target's: quantiles of the last 5 minutes.",
        LATENCIES,
    )
)
FRESHNESS_SECONDS = Histogram(
    "afflux_sink_freshness_seconds",
    "From the source's commit to the target's, of the newest row a shard and batch.",
    ["shard"],
    buckets=LATENCY_BUCKETS,
    registry=REGISTRY,
)
TO_KAFKA_SECONDS = Histogram(
    "afflux_sink_latency_to_kafka_seconds",
    "The way of that row from its commit to Kafka.",
    ["shard"],
    buckets=LATENCY_BUCKETS,
    registry=REGISTRY,
)
TO_TARGET_SECONDS = Histogram(
    "afflux_sink_latency_to_target_seconds",
    "The way of that row from Kafka to the target.",
    ["shard"],
    buckets=LATENCY_BUCKETS,
    registry=REGISTRY,
)
HEARTBEAT = Gauge(
    "afflux_sink_heartbeat_timestamp_seconds",
    "When the newest heartbeat that was read had been committed, by the shard's clock.",
    ["shard"],
    registry=REGISTRY,
)
WATERMARK = Gauge(
    "afflux_sink_watermark_timestamp_seconds",
    "All that the shard had committed before is in the target, by the shard's clock; the largest of the workers' holds.",
    ["shard"],
    registry=REGISTRY,
)
LAG_EVENTS = Gauge(
    "afflux_sink_lag_offsets",
    "Offsets between the positions of this worker's partitions and their ends; transactions' marks are among them.",
    ["shard"],
    registry=REGISTRY,
)
LAG_BYTES = Gauge(
    "afflux_sink_lag_bytes",
    "Estimate of what waits in Kafka for this worker: offsets times the mean size of messages read lately.",
    ["shard"],
    registry=REGISTRY,
)
LAG_SECONDS = Gauge(
    "afflux_sink_lag_seconds",
    "How long the oldest event in Kafka has waited for this worker to apply it; 0 when none does.",
    ["shard"],
    registry=REGISTRY,
)
CLOCK_AHEAD = Gauge(
    "afflux_sink_clock_ahead_seconds",
    "By how much the shard's clock is ahead of this worker's; taken out of the other times.",
    ["shard"],
    registry=REGISTRY,
)
PARTITIONS = Gauge("afflux_sink_partitions", "Partitions assigned to this worker.", registry=REGISTRY)
WAITING = Gauge("afflux_sink_waiting", "Whether the worker waits for a server that is away.", registry=REGISTRY)

LEADS = Gauge(
    "afflux_supervisor_leads", "Whether this supervisor is the one that acts; the others stand by.", registry=REGISTRY
)
WELL = Gauge("afflux_supervisor_shard_well", "Whether the shard's changes flow.", ["shard"], registry=REGISTRY)
FAILURES = Gauge(
    "afflux_supervisor_failures",
    "What a shard's stream suffers from at present.",
    ["shard", "cause"],
    registry=REGISTRY,
)
NEEDS_PERSON = Gauge(
    "afflux_supervisor_needs_person", "Whether a person has to look at the shard.", ["shard"], registry=REGISTRY
)
ACTIONS = Counter(
    "afflux_supervisor_actions_total", "What the supervisor has done.", ["action", "result"], registry=REGISTRY
)
ROUND_SECONDS = Histogram(
    "afflux_supervisor_round_seconds",
    "Time to look at all shards and to treat those that need it.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
    registry=REGISTRY,
)

WATCHED = Watched()
"""What the supervisor's looks give, of all shards and targets; shown by the one that leads."""

SHARD_UP = WATCHED.gauge("afflux_shard_up", "Whether the shard answers.", "shard")
SHARD_CLOCK = WATCHED.gauge(
    "afflux_shard_clock_ahead_seconds",
    "By how much the shard's clock is ahead of the supervisor's; taken out of the watermark's age.",
    "shard",
)
SLOT_STATE = WATCHED.gauge(
    "afflux_slot_state",
    "1 for the state that the slot is in: reserved, extended, unreserved, lost, or missing.",
    "shard",
    "state",
)
SLOT_ACTIVE = WATCHED.gauge("afflux_slot_active", "Whether somebody reads the slot.", "shard")
SLOT_IDLE = WATCHED.gauge(
    "afflux_slot_idle_seconds", "How long nobody has read the slot; 0 while somebody does.", "shard"
)
SLOT_FAILOVER = WATCHED.gauge(
    "afflux_slot_failover", "Whether the slot is copied to standbys; from PostgreSQL 17 on.", "shard"
)
SLOT_BYTES = {
    "spill_bytes": WATCHED.counter(
        "afflux_slot_spilled_bytes_total", "Decoded bytes that did not fit into the server's memory.", "shard"
    ),
    "stream_bytes": WATCHED.counter(
        "afflux_slot_streamed_bytes_total", "Decoded bytes sent before their transaction was through.", "shard"
    ),
    "total_bytes": WATCHED.counter("afflux_slot_decoded_bytes_total", "Decoded bytes sent.", "shard"),
    "spill_txns": WATCHED.counter(
        "afflux_slot_spilled_transactions_total", "Transactions that did not fit into the server's memory.", "shard"
    ),
    "stream_txns": WATCHED.counter(
        "afflux_slot_streamed_transactions_total", "Transactions sent before they were through.", "shard"
    ),
    "total_txns": WATCHED.counter("afflux_slot_decoded_transactions_total", "Transactions sent.", "shard"),
}
"""By the column of `pg_stat_replication_slots`; from PostgreSQL 14 on."""
SENDER_LAG = WATCHED.gauge(
    "afflux_walsender_lag_seconds",
    "Time from writing WAL until the reader said that it has it: write, flush, replay.",
    "shard",
    "stage",
)
WAL_WRITTEN = WATCHED.counter("afflux_wal_written_bytes_total", "WAL ever written by the server.", "shard")
WAL_RETAINED = WATCHED.gauge("afflux_wal_retained_bytes", "WAL that the server keeps because of the slot.", "shard")
WAL_UNCONFIRMED = WATCHED.gauge(
    "afflux_wal_unconfirmed_bytes", "WAL written since what the reader has confirmed.", "shard"
)
WAL_FILES = WATCHED.gauge("afflux_wal_files_bytes", "All files of WAL; where the role may list them.", "shard")
WAL_ROOM = WATCHED.gauge(
    "afflux_wal_room_bytes",
    "WAL that may still be written before the limit: slot (max_slot_wal_keep_size) or disk (source.guard.disk).",
    "shard",
    "limit",
)
WAL_USED = WATCHED.gauge("afflux_wal_used_ratio", "Share in use of the limit that ends first.", "shard")
WAL_GROWTH = WATCHED.gauge(
    "afflux_wal_growth_bytes_per_second", "How fast retained WAL grows; negative while it shrinks.", "shard"
)
WAL_LOSS = WATCHED.gauge(
    "afflux_wal_loss_seconds",
    "Forecast: time until the first limit is reached, as soonest, likely and latest; +Inf where it never is.",
    "shard",
    "bound",
)
TRANSACTION_AGE = WATCHED.gauge(
    "afflux_transaction_age_seconds",
    "Age of the oldest open transaction that holds the slot back: a session's, or a prepared one.",
    "shard",
    "kind",
)
HEARTBEAT_AGE = WATCHED.gauge(
    "afflux_heartbeat_age_seconds", "Time since the shard's newest heartbeat came through to Kafka.", "shard"
)
TOPIC_OFFSETS = WATCHED.counter(
    "afflux_topic_offsets_total",
    "Offsets given in the shard's topics, those of transactions' marks among them.",
    "shard",
)
TOPIC_RATE = WATCHED.gauge(
    "afflux_topic_bytes_per_second",
    "What comes into the shard's topics: offsets times the size of a few records.",
    "shard",
)
TOPIC_SKEW = WATCHED.gauge(
    "afflux_topic_skew_ratio",
    "Of the shard's most uneven topic, the busiest partition's share in even shares; 1 is even.",
    "shard",
)
TARGET_LAG = WATCHED.gauge(
    "afflux_target_lag_offsets", "Offsets between the target's positions and the topics' ends.", "sink", "shard"
)
TARGET_LAG_BYTES = WATCHED.gauge(
    "afflux_target_lag_bytes", "The same in bytes, by the size of a few records.", "sink", "shard"
)
TARGET_WORST = WATCHED.gauge(
    "afflux_target_worst_partition_lag_offsets", "The same of the partition that is furthest behind.", "sink", "shard"
)
TARGET_AGE = WATCHED.gauge(
    "afflux_target_age_seconds",
    "How old the target is: by how much the shard's watermark is behind now.",
    "sink",
    "shard",
)
TARGET_HEADROOM = WATCHED.gauge(
    "afflux_target_headroom_seconds",
    "Time until the oldest event that is not applied may be deleted for its age; +Inf where none is.",
    "sink",
    "shard",
)
TARGET_LOSS = WATCHED.gauge(
    "afflux_target_loss_seconds",
    "Forecast: time until an event is deleted that is not applied, as soonest, likely and latest.",
    "sink",
    "shard",
    "bound",
)
TARGET_DELETED = WATCHED.gauge(
    "afflux_target_deleted_offsets", "Offsets that were deleted before they were applied.", "sink", "shard"
)
TARGET_DEAD_LETTERS = WATCHED.gauge("afflux_target_dead_letters", "Dead letters that are open.", "sink", "shard")
TARGET_STOPPED = WATCHED.gauge(
    "afflux_target_stopped_topics", "Topics that are not read on until a person resumes them.", "sink", "shard"
)
TARGET_UP = WATCHED.gauge("afflux_target_up", "Whether the target answers.", "sink")
PART_UP = WATCHED.gauge("afflux_part_up", "Whether a shared server answers: kafka, connect, registry.", "part")
BROKERS = WATCHED.gauge("afflux_kafka_brokers", "Brokers of the cluster.")
LEADERLESS = WATCHED.gauge(
    "afflux_kafka_leaderless_partitions", "Partitions of this topology that nobody can read or write."
)
THIN = WATCHED.gauge(
    "afflux_kafka_under_replicated_partitions", "Partitions of this topology of which a copy is away or behind."
)
TASKS = WATCHED.gauge("afflux_connect_tasks", "Tasks of this topology's connectors, by Connect's word.", "state")
WORKERS = WATCHED.gauge("afflux_connect_workers", "Workers that run any of them.")
LOOKED = WATCHED.gauge("afflux_look_timestamp_seconds", "When all this was last looked at.")
LOOK_SECONDS = WATCHED.gauge("afflux_look_duration_seconds", "How long that took.")

REGISTRY.register(WATCHED)
