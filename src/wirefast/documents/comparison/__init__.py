"""What in a document breaks the clients of an older one: ``schemas`` compares types, ``documents`` what uses them."""
