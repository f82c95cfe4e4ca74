"""In-memory fakes of the ports, proven by the suites in tests/adapters, which the real adapters pass too."""
