"""Longer forms of what the suite holds: scripts that print a table of trials and failures. Not collected by pytest."""
