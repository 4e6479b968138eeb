"""Training of the embedded checkpoint: drawn pictures with captions, three training loops, a score and the export."""
