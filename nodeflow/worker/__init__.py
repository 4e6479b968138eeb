"""The process that owns a device and runs jobs for a server."""
