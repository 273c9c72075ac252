"""What the documentation promises of speed, measured beside its peers: ``python -m benchmarks``."""
