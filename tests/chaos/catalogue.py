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
    for fault in (*deaths.FAULTS, *frozen.FAULTS, *group.FAULTS, *poison.FAULTS, *poison.LAKE)
    if not any(word in fault.name for word in _OF_SERVERS)
}
"""Every scripted fault of a lake's workers, by name."""
