"""A recipe while it is edited: the draft, and what the edits mean."""
