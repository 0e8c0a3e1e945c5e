"""The description of an application: its OpenAPI and AsyncAPI documents, and the pages that show them.

``schemas`` has the JSON Schemas, ``operations`` and ``openapi`` the OpenAPI document, ``pages`` the HTML, ``serving``
the routes of an application; ``asyncapi`` has the document of the sockets, ``console`` its page, ``comparison`` the
changes that break clients. Documents read routes; routes do not use documents.
"""
