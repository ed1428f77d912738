"""The project's own tools: suites of checks and tests, generated pages, locks. Started by ./test and tools/dev."""
