"""What ingest subscribes to."""

from __future__ import annotations

from park.topics import PREFIX

#: The readings are shared among the ingest processes. A shared subscription gets no retained messages, so each
#: process also subscribes to descriptors and gateway states by itself: it needs all of them.
SUBSCRIPTIONS = [f"$share/parkwatch/{PREFIX}/#", f"{PREFIX}/+/+/+/$meta", f"{PREFIX}/+/+/$state"]
