"""Limits of clients.

``origins`` and ``admission`` decide which pages may connect. ``limits``, ``rates`` and ``sockets`` bound the number of
sockets, their time and their messages. ``shared``, ``processes`` and
``scripts`` count over all processes. ``bodies`` bounds HTTP bodies. ``counters`` counts refusals.
"""
