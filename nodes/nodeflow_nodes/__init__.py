"""The built-in node packs, written exactly as a plugin would be."""
