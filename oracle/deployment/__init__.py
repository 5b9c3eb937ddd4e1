"""Production on one machine: every part that production has, from pip-installable or Debian parts, started and stopped.

`up` starts PostgreSQL, an S3 server, the MLflow server, Ray and the app, in that order, each when the one before it
answers; `down` stops exactly what `up` started, in the reverse order. What was started is written down before anybody
waits for it (`ledger`), by process number and the moment the kernel gave it, so that a number that was given to
somebody else in between is left alone. Secrets are made once, live in files of mode 0600, and reach a process by its
environment or a file, never by its arguments.
"""

from oracle.deployment.down import down
from oracle.deployment.up import up

__all__ = ["down", "up"]
