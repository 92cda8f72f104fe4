"""The supervisor: look, judge by cause, treat, remember, again."""
