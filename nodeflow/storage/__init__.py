"""What is kept on disk: results, outputs, models, documents."""
