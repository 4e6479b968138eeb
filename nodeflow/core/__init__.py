"""The pure centre: node contract, documents, validation. Imports only the standard library, pydantic and networkx."""
