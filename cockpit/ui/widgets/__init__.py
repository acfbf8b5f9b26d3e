"""Given values, they post messages; each can be mounted alone."""
