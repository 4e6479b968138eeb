"""Latent diffusion as a library: networks, checkpoints, sampling, prompts and training; nothing here knows of workflows."""
