"""Clients that are generated from an AsyncAPI document: ``reading`` has what the languages share, each has a module.

``typescript`` writes types around ``runtime.ts``; ``python`` writes models around ``runtime.py``.
"""
