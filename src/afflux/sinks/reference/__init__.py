"""What sinks share that keep their promises by the contract's reference, the target in memory. Pure.

The reference is given the state, and of the rows those few whose fate columns alone do not tell; what it leaves is
what the target is to hold. The state is kept as records of text (`codec.py`), and what a batch does to a table is an
effect (`effects.py`): rows to be there, and keys of rows to go.
"""
