"""The Celery application and its tasks: evaluate and sweep, one worker per shard."""
