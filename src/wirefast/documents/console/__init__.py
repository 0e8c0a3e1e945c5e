"""The files of the console, the page that shows an AsyncAPI document and connects to its sockets.

The modules and the style sheet are served unchanged, without a build. ``page.js`` is the start, ``channel.js`` shows a
socket, ``connection.js`` connects, ``schemas.js`` reads JSON Schemas, ``snippets.js`` writes programs, ``elements.js``
makes elements.
"""
