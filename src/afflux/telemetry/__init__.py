"""What every room measures and tells: metrics, lags, traces, clocks."""
