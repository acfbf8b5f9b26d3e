"""Runs that others have started, read from the files that their trainers write"""
