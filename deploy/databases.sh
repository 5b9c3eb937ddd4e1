#!/bin/sh
# What the image of PostgreSQL runs once, in an empty data folder.
exec sh /start.sh databases
