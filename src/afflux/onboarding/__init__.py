"""Before the first apply: the rights that afflux needs, what stands in the way, and a first topology."""
