"""All failures, by name: those that hurt nobody else, and those that need a stack of their own."""

from heal import own_stack, shared

SHARED = {failure.name: failure for failure in shared.FAILURES}
NEWER = shared.NEWER
FAILURES = SHARED | {failure.name: failure for failure in own_stack.FAILURES}
