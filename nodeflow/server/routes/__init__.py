"""Routes of the server, a module for each thing that clients ask for."""
