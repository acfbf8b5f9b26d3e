"""What may be shown of strings that others wrote, and how numbers are written."""
