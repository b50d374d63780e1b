"""Who watches the watcher: canaries through the whole chain, the auditor of the escalation, the pulse to outside."""
