"""From a transition to a person: plan, messages, channels, delivery, and the alarm console."""
