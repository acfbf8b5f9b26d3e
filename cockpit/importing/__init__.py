"""Recipes made of other tools' files: configurations, notebooks, scripts, commands; read and never run."""
