"""What ingest subscribes to."""

from __future__ import annotations

from park.topics import PREFIX

#: One ingest process takes everything. Mosquitto keeps this subscription over a restart of its own, so what is
#: published before ingest is back waits for it.
ALONE = [f"{PREFIX}/#"]

#: Several share the readings. Mosquitto forgets a shared subscription when it restarts, until its members are back;
#: and it sends no retained messages over one, so each process also asks for descriptors and gateway states by itself.
SHARED = [f"$share/parkwatch/{PREFIX}/#", f"{PREFIX}/+/+/+/$meta", f"{PREFIX}/+/+/$state"]
