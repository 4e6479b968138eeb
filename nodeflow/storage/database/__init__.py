"""What the server must not forget, in one SQLite file: jobs, events, outputs, documents, workflows, tokens."""
