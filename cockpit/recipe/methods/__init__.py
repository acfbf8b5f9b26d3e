"""Kinds of training as the app knows them, without torch: one file a method, all of them named in registry.py"""
