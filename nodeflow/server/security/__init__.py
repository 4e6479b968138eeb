"""Who may come in, and what a request may be before anybody looks at it."""
