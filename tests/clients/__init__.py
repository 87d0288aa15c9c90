"""Unmodified clients of Microsoft 365, run against the simulator."""
