"""Tuning: the fastest way to train a recipe on this machine, measured"""
