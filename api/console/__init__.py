"""The dispatcher's console: templates, messages and static files, and what fills them (`pages`)."""
