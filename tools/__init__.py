"""Tools for developers: the process harness, the demo and the test runner."""
