"""Pictures of every screen, made from a recorded run by one command: python -m screenshots."""
