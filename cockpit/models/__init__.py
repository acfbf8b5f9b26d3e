"""A model's folder without torch: config, weights, templates, what the Hub's cache holds."""
