"""A user's data without torch: files, rows, the form that rows have, and the report of what training will see."""
