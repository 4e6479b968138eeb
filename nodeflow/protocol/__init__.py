"""Messages between clients, server and workers, as pydantic models. No server and no torch is loaded with them."""
