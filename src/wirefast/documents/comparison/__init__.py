"""Find the changes of a document that break clients: ``schemas`` compares types, ``documents`` the operations."""
