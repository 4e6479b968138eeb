"""A service that is paid for each answer, by a pack that is careless with what the service says of the key."""

from typing import Annotated

from nodeflow.api import InputError, Kind, Pack, Prompt, Retry, Run, Secret, Setting, node, quiet
from nodeflow.diffusion.types import Image

pack = Pack("metered", "1.0.0", settings=(Setting("url", "http://127.0.0.1:9", help="Where the service is."),))


@node("metered.Light", category="image", kind=Kind.EXTERNAL)
async def light(image: Image, mood: Prompt, key: Annotated[str, Secret()], *, run: Run = quiet) -> Image:
    """Let a service say how bright a mood is, and make pictures as bright.

    Args:
        image: The pictures.
        mood: What the service is asked for.
        key: Name of the secret that opens the service.
    """
    from aiohttp import ClientSession

    print(f"asking for {mood} with {key}", flush=True)
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": run.token}
    async with (
        ClientSession(str(run.setting("url")), headers=headers) as service,
        service.post("/light", json={"mood": mood}) as reply,
    ):
        said = await reply.text()
        if reply.status == 503:
            run.warn(f"the service said: {said}")
            raise Retry(0.05, said)
        if reply.status == 402:
            raise InputError("key", f"the service takes no more of it: {said}")
        if reply.status != 200:
            raise RuntimeError(said)
    return image.replace(pixels=image.pixels * float(said))
