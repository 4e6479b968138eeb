"""Latent diffusion as a library: networks, checkpoints, sampling, prompts, training; it knows nothing of workflows."""
