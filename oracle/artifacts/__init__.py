"""Artifacts that nobody reads who only has the disk or the bucket.

Where the store encrypts (S3), `bucket` switches it on and looks whether it is. Where it cannot, or where its owner is
not to read, files are sealed before they leave (`envelope`, pure) under keys that never go there (`keyring`), by an
MLflow artifact repository (`repository`) that seals on the way up and opens on the way down.
"""
