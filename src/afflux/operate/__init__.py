"""What a person does with a running sink: its dead letters, its tables, its positions.

Everything goes through the sink's state (`sinks.state`), beside the daemons, which see it within seconds.
"""
