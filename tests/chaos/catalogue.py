"""All scripted faults, by name; and those of them that concern a lake, where no server is the target."""

from chaos import deaths, frozen, group, network, poison, servers

FAULTS = {
    fault.name: fault
    for fault in (
        *deaths.FAULTS,
        *servers.FAULTS,
        *frozen.FAULTS,
        *network.FAULTS,
        *group.FAULTS,
        *poison.FAULTS,
    )
}

_OF_SERVERS = ("target", "COMMIT")
"""In the names of faults of a target that is a server."""

LAKE = {
    fault.name: fault
    for fault in (*deaths.FAULTS, *servers.FAULTS, *frozen.FAULTS, *group.FAULTS, *poison.FAULTS, *poison.LAKE)
    if not any(word in fault.name for word in _OF_SERVERS)
}
"""Every scripted fault of a lake's workers, by name."""

STORE = {fault.name: fault for fault in network.FAULTS if not fault.of_sessions}
"""What befalls the network between a sink and any server that is its target, an object store among them, by name."""
