"""Limits of clients.

``origins`` and ``admission`` decide which pages may connect. ``limits``, ``rates`` and ``sockets`` bound the number of
sockets, their time and their messages. ``bodies`` bounds HTTP bodies. ``counters`` counts refusals.
"""
