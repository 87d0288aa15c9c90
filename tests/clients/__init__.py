"""Other people's clients of Microsoft 365, unmodified, at work against the simulator."""
