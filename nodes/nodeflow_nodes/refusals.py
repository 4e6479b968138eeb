"""How an error of the diffusion library becomes a message about an input."""

from collections.abc import Generator
from contextlib import contextmanager

from nodeflow.api import InputError
from nodeflow.diffusion.errors import DiffusionError, NonFiniteError, SamplerError


@contextmanager
def blaming(input: str, *, network: str | None = None, sampler: str | None = None) -> Generator[None, None, None]:
    """Says that `input` is at fault for what goes wrong inside.

    Args:
        input: Name of the input.
        network: Name of the input whose network is at fault when numbers became infinite; `input` by default.
        sampler: Name of the input whose sampler is at fault when it cannot do what is asked of it; `input` by default.

    Raises:
        InputError: The diffusion library raised one of its own errors; the message is its.
    """
    try:
        yield
    except NonFiniteError as error:
        raise InputError(network or input, str(error)) from error
    except SamplerError as error:
        raise InputError(sampler or input, str(error)) from error
    except DiffusionError as error:
        raise InputError(input, str(error)) from error
