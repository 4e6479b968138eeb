"""What can go wrong in the diffusion library, each with a message written for the user."""


class DiffusionError(Exception):
    """The root of every error this library raises on purpose; `str(error)` is one sentence for users."""


class CheckpointError(DiffusionError, ValueError):
    """A model file is damaged, of an unknown family, or of a kind that is refused."""


class ValueRuleError(DiffusionError, ValueError):
    """A value breaks its convention: a shape, a range, a dtype, an unknown name."""


class SamplerError(ValueRuleError):
    """A sampler has no such option, cannot work with the value of one, or cannot do what is asked of it."""


class NonFiniteError(DiffusionError, ArithmeticError):
    """A network produced NaN or infinity; the message names the network and the moment."""
