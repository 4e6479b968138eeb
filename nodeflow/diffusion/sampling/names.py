"""The names of the built-in samplers and schedules, which are ComfyUI's; torch is not needed to know them."""

SAMPLER_NAMES = ("euler", "euler_ancestral", "ddim", "dpmpp_2m")
SCHEDULER_NAMES = ("normal", "karras", "simple")
