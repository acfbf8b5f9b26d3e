"""Offline: a recipe with all that it needs, in one folder, for a machine without a network"""
