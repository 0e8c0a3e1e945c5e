"""What an application tells the world about itself: its OpenAPI document, and the pages that show it.

``schemas`` has the JSON Schemas, ``operations`` and ``openapi`` the document, ``pages`` the HTML, ``serving`` the
routes of an application. Documents read routes; routes know nothing of documents.
"""
