"""Runs on other machines, over the user's own OpenSSH: followed, commanded, started, brought home"""
