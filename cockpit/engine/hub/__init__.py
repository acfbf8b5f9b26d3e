"""Models and datasets of the Hub, and how far their downloads are."""
