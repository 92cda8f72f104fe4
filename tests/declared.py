"""A small topology for tests that need no server."""

from typing import Any

from afflux.topology.model import Topology


def topology(**changes: Any) -> Topology:
    given: dict[str, Any] = {
        "name": "test",
        "kafka": {"bootstrap_servers": "127.0.0.1:1"},
        "registry": {"url": "http://127.0.0.1:1/apis/ccompat/v7"},
        "connect": {"url": "http://127.0.0.1:1"},
        "source": {
            "database": "app",
            "user": "cdc",
            "password": "${env:PASSWORD}",
            "shards": [{"name": "shard0", "host": "h"}, {"name": "shard1", "host": "h"}],
        },
        "tables": [{"source": r"public\..*"}],
        "transforms": [{"type": "RegexRouter", "regex": r"shard[0-9]+\.(.*)", "replacement": "$1"}],
        "sinks": [{"name": "warehouse", "type": "postgresql", "url": "postgresql://h/dw"}],
    }
    return Topology.model_validate({**given, **changes})
