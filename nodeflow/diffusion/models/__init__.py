"""The networks of a latent diffusion model, named as the original checkpoints name their weights."""
