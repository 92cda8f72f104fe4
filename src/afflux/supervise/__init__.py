"""The control daemon: rounds of healing, watching and alarms, one process of them at a time."""
