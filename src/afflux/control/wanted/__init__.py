"""What the topology wants of each shard (pure): settings of connectors, topics, publications, names."""
