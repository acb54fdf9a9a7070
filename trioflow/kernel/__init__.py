"""The kernel: the rules of one execution, sans-IO.

`_events` is what has happened, `_facts` what the machine is told, `_commands` what it wishes to be
performed. `_states` says what may happen when, `_apply` what an event means (for the values in
`_records`). `_core`, `_attempts`, `_beginning` and `_machine` are what should happen next, with
`_connections`, `_requests` and `_fork` beside them; and `_codec` turns events into text and back.
"""
