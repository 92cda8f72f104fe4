"""Data contracts: what consumers count on, against what shards really produce, and shard against shard."""
