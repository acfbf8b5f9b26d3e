"""Events and commands between engine and readers, and the log that holds events."""
