"""Every metric's name, in one place. Base units; counters end in `_total`."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry(auto_describe=True)

EVENTS = Counter("afflux_sink_events_total", "Change events applied to the target.", registry=REGISTRY)
ROWS = Counter("afflux_sink_rows_total", "Rows written or deleted, after folding.", ["table"], registry=REGISTRY)
DEAD_LETTERS = Counter(
    "afflux_sink_dead_letters_total", "Events that became dead letters.", ["kind"], registry=REGISTRY
)
STOPPED = Gauge(
    "afflux_sink_stopped_topics", "Topics that are not read on until a person resumes them.", registry=REGISTRY
)
BATCHES = Counter("afflux_sink_batches_total", "Batches made durable.", registry=REGISTRY)
RETRIES = Counter(
    "afflux_sink_retries_total", "Attempts to apply a batch that failed and were repeated.", registry=REGISTRY
)
APPLY_SECONDS = Histogram(
    "afflux_sink_apply_seconds",
    "Time to make a batch durable.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=REGISTRY,
)
FRESHNESS_SECONDS = Histogram(
    "afflux_sink_freshness_seconds",
    "From the source's commit to the target's, of the newest row a shard and batch.",
    ["shard"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600),
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
    "Offsets between the target's position and the topic's end.",
    ["shard"],
    registry=REGISTRY,
)
PARTITIONS = Gauge("afflux_sink_partitions", "Partitions assigned to this worker.", registry=REGISTRY)
WAITING = Gauge(
    "afflux_sink_waiting", "Whether the worker waits for a server that is away.", ["server"], registry=REGISTRY
)
