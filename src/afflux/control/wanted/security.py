"""librdkafka's security properties in the words of Kafka's Java clients.

`kafka.properties` of a topology is written for librdkafka; the connector's consumer of signals is a Java client.
References to secrets stay references: Kafka Connect resolves them inside any value.
"""

from collections.abc import Callable, Mapping

from afflux.errors import UsageError

RENAMED = {
    "security.protocol": "security.protocol",
    "sasl.mechanism": "sasl.mechanism",
    "sasl.mechanisms": "sasl.mechanism",
    "ssl.ca.pem": "ssl.truststore.certificates",
    "ssl.ca.location": "ssl.truststore.location",
    "ssl.certificate.pem": "ssl.keystore.certificate.chain",
    "ssl.cipher.suites": "ssl.cipher.suites",
    "ssl.endpoint.identification.algorithm": "ssl.endpoint.identification.algorithm",
    "ssl.key.password": "ssl.key.password",
    "ssl.key.pem": "ssl.keystore.key",
    "ssl.keystore.location": "ssl.keystore.location",
    "ssl.keystore.password": "ssl.keystore.password",
}
"""librdkafka's name -> Java's."""
_IN_LOGIN = {"sasl.username", "sasl.password"}
_VALUES: dict[str, Callable[[str], str]] = {
    "security.protocol": str.upper,
    "ssl.endpoint.identification.algorithm": lambda value: "" if value == "none" else value,
}
LOGIN_MODULES = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}
"""SASL mechanism -> the class that logs in with it."""


def java_security(properties: Mapping[str, str]) -> dict[str, str]:
    """Return what a Java client needs to be as secure as librdkafka is with these properties.

    Args:
        properties: `kafka.properties` of the topology, secrets not resolved.

    Returns:
        Properties of a Java client; those that have nothing to do with security are left out.

    Raises:
        UsageError: a security property has no equal there.
    """
    java: dict[str, str] = {}
    for key, value in properties.items():
        if key in RENAMED:
            java[RENAMED[key]] = _VALUES.get(key, str)(value)
        elif key.startswith(("sasl.", "ssl.", "enable.ssl")) and key not in _IN_LOGIN:
            raise UsageError(
                f"kafka.properties: {key} can't be handed on to the connectors' consumer of signals",
                hint="Set that consumer's own properties under source.config as signal.consumer.<property>.",
            )
    if properties.keys() & {"ssl.ca.pem", "ssl.ca.location"}:
        java["ssl.truststore.type"] = "PEM"
    if properties.keys() & {"ssl.certificate.pem", "ssl.key.pem"}:
        java["ssl.keystore.type"] = "PEM"
    elif "ssl.keystore.location" in properties:
        java["ssl.keystore.type"] = "PKCS12"
    if "sasl.username" in properties:
        java["sasl.jaas.config"] = _login(java.get("sasl.mechanism", ""), properties)
    return java


def _login(mechanism: str, properties: Mapping[str, str]) -> str:
    module = LOGIN_MODULES.get(mechanism.upper())
    if module is None:
        raise UsageError(
            f"kafka.properties: sasl.username does not go with sasl.mechanism {mechanism or '(not set)'}",
            hint=f"Set sasl.mechanism to one of {', '.join(LOGIN_MODULES)}.",
        )
    user, password = properties["sasl.username"], properties.get("sasl.password", "")
    return f'{module} required username="{user}" password="{password}";'
