"""The one-machine topology: every process of the product under supervisord, on loopback, and the run that shows it at work.

`layout` (paths, secrets) and `programs` (what runs, as a supervisord configuration) are pure; `postgres`, `supervisor`, `readiness`,
`airflow` and `endpoint` each talk to one thing outside; `commands` composes them.
"""
