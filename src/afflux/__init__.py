"""afflux: one live, exact warehouse table from N PostgreSQL shards, through Debezium and Kafka."""

__version__ = "0.1.0"
