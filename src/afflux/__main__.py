"""`python -m afflux` is `afflux`."""

from afflux.cli import main

main()
