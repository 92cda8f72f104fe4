"""Texts that have broken programs: in quotes, shells, pages, terminals, formats and databases."""

HOSTILE = (
    "a'b",
    'a"b',
    "'; DROP TABLE afflux.positions; --",
    '"; DROP SCHEMA afflux CASCADE; --',
    "$$; SELECT 1; $$",
    "$afflux$ x $afflux$",
    "{0.__class__} {} {{}} %s %(x)s %n",
    "$(touch /tmp/x) `id` $HOME",
    "line\nbreak\r\nand\ttab",
    "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "\u202eevil\u2066bidi\u2069",
    "\x1b[31mred\x1b[2J\x07",
    "back\\slash\\'",
    "../../etc/passwd",
    "\uff46\uff55\uff4c\uff4c \ufb01 \u0130 \u00df e\u0301 \U0001f5ff",
    "NULL",
    " ",
    ", (1, 2)",
    "x" * 10_000,
)
