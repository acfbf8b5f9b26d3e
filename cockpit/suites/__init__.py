"""Smoke suites at work: checks of replies, base against tuned, the report."""
