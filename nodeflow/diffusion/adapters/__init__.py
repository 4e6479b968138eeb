"""Small files that change a network: LoRA and its kin, and words learned as vectors."""
