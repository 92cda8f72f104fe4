"""The parts of the stack: one file a kind of server."""
