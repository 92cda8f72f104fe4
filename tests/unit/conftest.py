"""Property tests assert what holds, never how long it took: the machine may be busy."""

from hypothesis import HealthCheck, settings

settings.register_profile("afflux", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("afflux")
