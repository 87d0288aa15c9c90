"""`make bench`: the bridge against the least possible, beside the engine that Odoo ships (docs/BENCHMARKS.md)."""
