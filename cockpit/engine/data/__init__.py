"""Recipe -> rows: read, rendered, masked, packed."""
