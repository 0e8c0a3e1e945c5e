"""The files of the console, the page that shows an AsyncAPI document and speaks to its sockets.

Plain modules and a style sheet, as they are served; nothing is built. ``page.js`` begins, ``channel.js`` shows a
socket, ``connection.js`` speaks, ``schemas.js`` reads JSON Schemas, ``snippets.js`` writes programs, ``elements.js``
makes elements.
"""
