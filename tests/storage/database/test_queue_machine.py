"""A short form of the queue's state machine; ``tests/stress/queue_machine.py`` is the long one."""

from hypothesis import HealthCheck, settings

from tests.storage.database.queuemachine import QueueMachine

TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(
    max_examples=30, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
