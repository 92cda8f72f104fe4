"""Carry plans out: one action, a whole plan, observe-plan-apply; what was done is audited."""
