"""Bounds of what clients may send: ``bodies`` has those of HTTP bodies and forms."""
