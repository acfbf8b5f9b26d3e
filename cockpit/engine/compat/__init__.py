"""What is leant on of other packages beyond their public names; each with its test."""
