"""Developer tooling: the process harness, the demo and the test runner."""
