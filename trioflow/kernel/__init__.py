"""The kernel: the rules of one execution, sans-IO.

`_events` is what has happened, `_facts` what the machine is told, `_commands` what it wishes to be
performed. `_states` says what may happen when, `_apply` what an event means, `_machine` what
should happen next (with `_connections` and `_requests` for two parts of that), and `_codec` turns
events into text and back.
"""
