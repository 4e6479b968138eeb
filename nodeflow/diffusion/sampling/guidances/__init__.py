"""Ways of guiding a run besides plain classifier-free guidance, one a file; each makes a denoiser of a denoiser."""
