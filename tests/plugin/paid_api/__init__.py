"""A service that costs money for each question, asked so that nothing is paid for twice."""

from typing import Annotated

from nodeflow.api import InputError, Kind, Pack, Prompt, Retry, Run, Scope, Secret, Setting, node, quiet

pack = Pack(
    name="paid_api",
    version="1.0.0",
    settings=(Setting("url", "https://api.example.com", help="Where the service is."),),
)


@node("paid_api.Ask", category="text", kind=Kind.EXTERNAL, scope=Scope.HOME, age=30 * 24 * 3600, concurrency=3)
async def ask(question: Prompt, key: Annotated[str, Secret()], *, run: Run = quiet) -> str:
    """Ask the service; an answer is remembered for thirty days, and a question that is sent again is billed once.

    Args:
        question: What to ask.
        key: Name of the secret that opens the service.
    """
    from aiohttp import ClientSession, ServerDisconnectedError

    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": run.token}
    try:
        async with (
            ClientSession(str(run.setting("url")), headers=headers) as service,
            service.post("/ask", json={"question": question}) as reply,
        ):
            if reply.status == 429:
                raise Retry(float(reply.headers.get("Retry-After", 1)), "the service asks for patience")
            answer = await reply.text()
            if reply.status in (401, 403):
                raise InputError("key", f"the service does not take it: {answer}")
            if reply.status != 200:
                raise InputError("question", f"the service cannot answer it: {answer}")
            return answer
    except ServerDisconnectedError as error:
        raise Retry(0.2, "the service hung up before it answered") from error
