"""The client for programs that do not use asyncio."""

from nodeflow.client.blockingjobs import BlockingJobs, BlockingSweeps
from nodeflow.client.blockingrest import BlockingDocuments, BlockingFiles, BlockingOperation, BlockingWorkflows


class Client(BlockingJobs, BlockingSweeps, BlockingFiles, BlockingWorkflows, BlockingDocuments, BlockingOperation):
    """A typed client of a nodeflow server: ``with Client() as client``; see ``AsyncClient``, whose methods it has.

    It may be used by several threads, and inside a running asyncio loop (Jupyter).
    """
