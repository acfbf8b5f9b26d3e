"""One file a screen, its looks in the .tcss beside it."""
