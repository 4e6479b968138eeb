"""The kinds of model files that Stable Diffusion is made of; their folders have the names that others use too."""

from nodeflow.api import ModelKind

_WEIGHTS = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin")
"""All are listed, so that a file that cannot be loaded is told as such and not as missing."""

KINDS = (
    ModelKind("checkpoints", _WEIGHTS, help="Network, text encoder and autoencoder in one file."),
    ModelKind("diffusers", ("/model_index.json",), help="The same as a folder, named by its table of contents."),
    ModelKind("diffusion_models", _WEIGHTS, help="The denoising network alone."),
    ModelKind("text_encoders", _WEIGHTS, help="Text encoders alone."),
    ModelKind("vae", _WEIGHTS, help="Autoencoders alone."),
    ModelKind("loras", _WEIGHTS, help="Small changes to a network and its text encoder."),
    ModelKind("controlnet", _WEIGHTS, help="Networks that steer by a picture."),
    ModelKind("embeddings", _WEIGHTS, help="Words learned as vectors."),
    ModelKind("upscale_models", _WEIGHTS, help="Networks that enlarge pictures."),
    ModelKind("clip_vision", _WEIGHTS, help="Encoders of pictures."),
)
