"""A connector's own transforms that put events into other topics (pure)."""

from collections.abc import Mapping


def renames(config: Mapping[str, object]) -> str:
    """Name the first transform that may rename a connector's topics.

    The sink finds a shard's topics by their prefix, so that what a router renames is not read, and nothing says so:
    Connect runs, and the topics that are read stay empty.

    Args:
        config: of a connector, or `source.config`.

    Returns:
        The property that holds the transform's class, such as `transforms.route.type`; empty without one. The classes
        are those of Kafka, Debezium and Confluent that are called so.
    """
    names = (name.strip() for name in str(config.get("transforms", "")).split(","))
    kinds = {f"transforms.{name}.type": str(config.get(f"transforms.{name}.type", "")) for name in names if name}
    classes = {key: kind.partition("$")[0].rpartition(".")[2] for key, kind in kinds.items()}
    return next((key for key, kind in classes.items() if kind.endswith("Router") or kind == "ExtractTopic"), "")
