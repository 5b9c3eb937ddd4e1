#!/bin/sh
# Makes the secrets of deploy/compose.yaml in deploy/secrets/, each once. The folder is yours alone; the files in it may be
# read by whoever gets past it, because the users of the containers, into which each is mounted by itself, are not you.
#
#   sh deploy/secrets.sh
set -eu
folder="$(dirname "$0")/secrets"
mkdir -p "$folder"
chmod 700 "$folder"
umask 022
random() { od -An -v -tx1 -N24 /dev/urandom | tr -d ' \n'; }
for name in postgresql mlflow keeper governor app bucket_key bucket_secret admin approver scientist serving flask ray \
    pseudonyms; do
    [ -s "$folder/$name" ] || random > "$folder/$name"
done
if [ ! -s "$folder/artifacts" ]; then  # 32 bytes in the letters of base64 for addresses
    printf 'oak1.%s\n' "$(head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n')" > "$folder/artifacts"
fi
