"""`make bench` compares the bridge with the least possible cost and with Odoo's built-in sync
(docs/BENCHMARKS.md)."""
