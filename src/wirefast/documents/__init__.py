"""The description of an application: its OpenAPI document, and the pages that show it.

``schemas`` has the JSON Schemas, ``operations`` and ``openapi`` the document, ``pages`` the HTML, ``serving`` the
routes of an application. Documents read routes; routes do not use documents.
"""
