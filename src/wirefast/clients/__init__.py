"""Clients that are generated from an AsyncAPI document. ``reading`` reads the document for all languages.

``typescript`` writes types around ``runtime.ts``; ``python`` writes models around ``runtime.py``.
"""
