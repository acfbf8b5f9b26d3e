"""Replies: a conversation in, text out as it is generated."""
