"""All scripted faults, by name."""

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
