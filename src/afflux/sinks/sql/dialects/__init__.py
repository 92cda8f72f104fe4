"""Databases that SQLAlchemy knows: one sink for all of them, and a small file for what a dialect does in its own way."""
