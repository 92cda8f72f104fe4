"""Who may do what on a secured stack's Kafka: three users, each with what it needs and no more.

The same rights as the chart's KafkaUsers (`helm/afflux/templates/_acls.tpl`), for a topology named `local`.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the library re-exports without saying so
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

MECHANISM = "SCRAM-SHA-512"
CONTROL, SINK, CONNECT = "afflux-control", "afflux-sink", "afflux-connect"
PASSWORDS = {CONTROL: "kafka_control", SINK: "kafka_sink", CONNECT: "kafka_connect"}
"""User -> whose password in the secrets it is."""
TOPOLOGY = "local"
"""The topology whose topics and groups the rights are for; its shards' topics begin with `shard`."""

_ITERATIONS = 8192
_READ, _WRITE, _DESCRIBE, _CREATE = "READ", "WRITE", "DESCRIBE", "CREATE"
_LOOK, _ALTER = "DESCRIBE_CONFIGS", "ALTER_CONFIGS"
_MADE = (_CREATE, _DESCRIBE, _LOOK)
_OWN = f"afflux.{TOPOLOGY}."
_SHARDS = ("shard", "__debezium-heartbeat.shard")

Right = tuple[str, str, str, tuple[str, ...]]
"""(kind of thing, its name, `PREFIXED` or `LITERAL`, operations)."""

RIGHTS: Mapping[str, tuple[Right, ...]] = {
    SINK: (
        ("TOPIC", "shard", "PREFIXED", (_READ, _DESCRIBE)),
        ("TOPIC", f"{_OWN}notifications", "LITERAL", (_READ, _DESCRIBE)),
        ("GROUP", f"{_OWN}warehouse", "LITERAL", (_READ, _DESCRIBE)),
        ("GROUP", f"{_OWN}lake", "LITERAL", (_READ, _DESCRIBE)),
    ),
    CONTROL: (
        *(("TOPIC", prefix, "PREFIXED", (*_MADE, _ALTER, _READ)) for prefix in _SHARDS),
        ("TOPIC", _OWN, "PREFIXED", (*_MADE, _ALTER, _READ, _WRITE)),
        ("GROUP", _OWN, "PREFIXED", (_READ, _DESCRIBE)),
        # Groups that nobody joins: a client that reads a topic from end to end wants a name for one.
        ("GROUP", "afflux", "PREFIXED", (_DESCRIBE,)),
        # The connectors read their signals with the login that the topology says, each in a group of its own.
        ("GROUP", f"{TOPOLOGY}-", "PREFIXED", (_READ, _DESCRIBE)),
    ),
    CONNECT: (
        *(
            ("TOPIC", f"connect-{topic}", "LITERAL", (*_MADE, _READ, _WRITE))
            for topic in ("configs", "offsets", "status")
        ),
        *(("TOPIC", prefix, "PREFIXED", (*_MADE, _WRITE)) for prefix in _SHARDS),
        ("TOPIC", f"{_OWN}signals", "LITERAL", (_DESCRIBE, _READ)),
        ("TOPIC", f"{_OWN}notifications", "LITERAL", (*_MADE, _WRITE)),
        ("GROUP", "afflux-connect", "LITERAL", (_READ, _DESCRIBE)),
        ("GROUP", f"{TOPOLOGY}-", "PREFIXED", (_READ, _DESCRIBE)),
        ("TRANSACTIONAL_ID", "connect-cluster-afflux-connect", "LITERAL", (_WRITE, _DESCRIBE)),
        ("TRANSACTIONAL_ID", "afflux-connect-", "PREFIXED", (_WRITE, _DESCRIBE)),
    ),
}


def bindings(user: str) -> Iterator[AclBinding]:
    """Give a user's rights, as Kafka's ACLs."""
    for kind, name, pattern, operations in RIGHTS[user]:
        for operation in operations:
            yield AclBinding(
                ResourceType[kind],
                name,
                ResourcePatternType[pattern],
                f"User:{user}",
                "*",
                AclOperation[operation],
                AclPermissionType.ALLOW,
            )


def make_users(admin: AdminClient, passwords: Mapping[str, str], seconds: float) -> None:
    """Make the users that are not there, with their rights; those that are there keep theirs.

    A password goes over the wire as its salted hash, which is all that Kafka keeps.

    Args:
        admin: a client that may do anything.
        passwords: user -> password.
        seconds: how long Kafka may take for each step.

    Raises:
        KafkaException: it refused, or did not answer.
    """
    asked = admin.describe_user_scram_credentials(None, request_timeout=seconds)
    assert isinstance(asked, Future), "all users were asked for at once"  # noqa: S101 - which gives one answer
    there = asked.result()
    missing = [user for user in RIGHTS if user not in there]
    if not missing:
        return
    granted = admin.create_acls([right for user in missing for right in bindings(user)], request_timeout=seconds)
    for right in granted.values():
        right.result()
    kind = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _ITERATIONS)
    wanted: list[UserScramCredentialAlteration] = [
        UserScramCredentialUpsertion(user, kind, passwords[user].encode()) for user in missing
    ]
    for made in admin.alter_user_scram_credentials(wanted, request_timeout=seconds).values():
        made.result()
