"""The server: jobs, files, documents and events over HTTP. It never imports torch; workers compute."""
