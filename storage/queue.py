"""Celery over Redis: the settings that producers and workers share, and the doorbell.

A shard's readings wait in its inbox (a Redis list); what travels through Celery is the doorbell, a task
without content by name. See docs/decisions/0001-inbox.md.
"""

from __future__ import annotations

from collections.abc import Iterable

import redis
from celery import Celery
from kombu import Exchange, Queue
from redis.backoff import NoBackoff
from redis.retry import Retry

from park.sharding import queue_of
from storage import names


def celery_app(redis_url: str, shards: Iterable[str], **settings: object) -> Celery:
    """Return a Celery application on ``redis_url`` with what every side has to agree on: the queues."""
    app = Celery("parkwatch", broker=redis_url)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        # Early: a doorbell holds nothing that could be lost, what matters stays in the inbox until it is committed.
        task_acks_late=False,
        worker_cancel_long_running_tasks_on_connection_loss=True,
        # Unlimited: a doorbell whose acknowledgement Redis missed would keep its place, and with one place the worker
        # would never hear another. Doorbells are small, and hold nothing.
        worker_prefetch_multiplier=0,
        task_queues=[_queue(name) for name in (*map(queue_of, shards), names.OFFICE)],
        task_create_missing_queues=False,
        task_default_delivery_mode="transient",
        broker_transport_options={
            "visibility_timeout": 10,
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
        },
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        timezone="UTC",
    )
    app.conf.update(settings)
    return app


def producer_app(redis_url: str, shards: Iterable[str]) -> Celery:
    """As :func:`celery_app`, for who only rings: if Redis is away it says so at once, and its caller tries again."""
    app = celery_app(redis_url, shards)
    app.conf.broker_transport_options = {**app.conf.broker_transport_options, "max_retries": 1, "interval_start": 0}
    return app


def _queue(name: str) -> Queue:
    # The default exchange leads to the queue of the routing key's name and nowhere else.
    return Queue(name, Exchange("", type="direct"), routing_key=name)


#: Redis can't be reached or is not ready; anything else it raises is a fault, and not to be waited out.
AWAY = (redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError, redis.exceptions.OutOfMemoryError)


def redis_client(url: str) -> redis.Redis:
    """Return a Redis connection that fails soon and loudly; who uses it decides about trying again."""
    return redis.Redis.from_url(
        url,
        socket_timeout=5,
        socket_connect_timeout=2,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
    )


def ring(app: Celery, shard: str) -> None:
    """Tell the shard's worker that its inbox is no longer empty. Raises kombu's ``OperationalError``."""
    app.send_task(names.TASK_EVALUATE, queue=queue_of(shard), ignore_result=True, retry=False)
