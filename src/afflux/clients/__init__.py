"""Thin clients of the servers around afflux: they ask and answer, and decide nothing.

Every error they raise is a `ServerError` that says which server, what was asked, and what to do next.
"""
