"""Studies as a service (`agent serve`): a durable queue, the processes that run it, and the HTTP API before it.

`queue` owns what is to be run and how it ended; `scheduler` owns the processes; `session` is what one of them does;
`app` only reads and asks. The service's own process imports no torch and no MLflow: what needs them runs in processes
that are forked from a server which has imported both (`warm`).
"""
