#!/bin/sh
# Starts one part of the compose file. Secrets are files under /run/secrets: here they become the environment of this one
# process, so that neither the image, nor the compose file, nor `docker inspect` holds them.
set -eu
secret() { cat "/run/secrets/$1"; }
database() { printf 'postgresql://%s:%s@postgresql:5432/%s' "$1" "$(secret "$1")" "$2"; }

case "$1" in
databases)  # in the image of PostgreSQL, once, by its entry point: roles and databases
    make_role() {
        psql -v ON_ERROR_STOP=1 -v role="$1" -v word="$(cat "/run/secrets/$1")" -U "$POSTGRES_USER" -d postgres <<'SQL'
SET password_encryption = 'scram-sha-256';
CREATE ROLE :"role" LOGIN PASSWORD :'word';
SQL
    }
    for role in mlflow keeper governor app; do make_role "$role"; done
    psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d postgres <<'SQL'
CREATE DATABASE mlflow OWNER mlflow;
CREATE DATABASE mlflow_users OWNER mlflow;
CREATE DATABASE oracle OWNER keeper;
REVOKE ALL ON DATABASE mlflow, mlflow_users, oracle FROM PUBLIC;
SQL
    ;;
migrate)  # the tables of our store, and who may do what in them; ends when it is done
    ORACLE_STORE__URI=$(database keeper oracle) oracle store migrate
    ORACLE_STORE__URI=$(database keeper oracle) oracle store grants --apply
    ;;
bucket)  # the bucket, once; ends when it is done
    mc alias set ours http://objects:9000 "$(secret bucket_key)" "$(secret bucket_secret)" > /dev/null
    mc mb --ignore-existing ours/artifacts
    ;;
mlflow)
    umask 077
    cat > /tmp/oracle-auth.ini <<INI
[mlflow]
default_permission = MANAGE
database_uri = $(database mlflow mlflow_users)
authorization_function = oracle.tracking_server.identity:authorize
grant_default_workspace_access = false
INI
    MLFLOW_BACKEND_STORE_URI=$(database mlflow mlflow)
    MLFLOW_AUTH_ADMIN_PASSWORD=$(secret admin)
    MLFLOW_FLASK_SERVER_SECRET_KEY=$(secret flask)
    AWS_ACCESS_KEY_ID=$(secret bucket_key)
    AWS_SECRET_ACCESS_KEY=$(secret bucket_secret)
    ORACLE_STORE__URI=$(database governor oracle)
    ORACLE_ARTIFACTS__KEY=$(secret artifacts)
    export ORACLE_ARTIFACTS__KEY
    export MLFLOW_BACKEND_STORE_URI MLFLOW_AUTH_ADMIN_PASSWORD MLFLOW_FLASK_SERVER_SECRET_KEY
    export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY ORACLE_STORE__URI
    exec mlflow server --app-name oracle-auth --serve-artifacts --host 0.0.0.0 --port 5000 --workers 1 \
        --allowed-hosts "mlflow:5000,127.0.0.1:*,localhost:*" --uvicorn-opts --no-proxy-headers
    ;;
people)  # the first people, each with the password in its secret; whoever is there already is left alone
    exec python - <<'PYTHON'
import base64, json, pathlib, urllib.error, urllib.request

def ask(who, path, document=None):
    secret = pathlib.Path("/run/secrets", who).read_text().strip()
    head = {"content-type": "application/json"}
    head["authorization"] = "Basic " + base64.b64encode(f"{who}:{secret}".encode()).decode()
    body = None if document is None else json.dumps(document).encode()
    with urllib.request.urlopen(urllib.request.Request(f"http://mlflow:5000{path}", body, head), timeout=60) as told:
        return json.load(told)

there = {grant["name"] for grant in ask("admin", "/api/2.0/oracle/people")}
for name, role in (("approver", "approver"), ("scientist", "scientist"), ("serving", "viewer")):
    if name not in there:
        password = pathlib.Path("/run/secrets", name).read_text().strip()
        ask("admin", "/api/2.0/oracle/people", {"name": name, "roles": [role], "password": password})
try:
    ask("scientist", "/api/2.0/mlflow/experiments/get-by-name?experiment_name=equine-oracle")
except urllib.error.HTTPError as error:
    if error.code != 404:
        raise
    ask("scientist", "/api/2.0/mlflow/experiments/create", {"name": "equine-oracle"})
PYTHON
    ;;
ray)
    RAY_AUTH_TOKEN_PATH=/run/secrets/ray
    ORACLE_STORE__URI=$(database app oracle)
    ORACLE_SERVING__PSEUDONYM_KEY=$(secret pseudonyms)
    MLFLOW_TRACKING_PASSWORD=$(secret serving)
    export RAY_AUTH_TOKEN_PATH ORACLE_STORE__URI ORACLE_SERVING__PSEUDONYM_KEY MLFLOW_TRACKING_PASSWORD
    . deploy/serving.sh
    exec ray start --head --block --disable-usage-stats --port=6379 --dashboard-host=0.0.0.0 --dashboard-port=8265
    ;;
app)  # tells Ray which app to run, on every interface of its container; ends when Ray has taken it
    RAY_AUTH_TOKEN_PATH=/run/secrets/ray
    export RAY_AUTH_TOKEN_PATH
    sed 's/^  host: 127\.0\.0\.1 /  host: 0.0.0.0 /' serve_config.yaml > /tmp/serve_config.yaml
    exec serve deploy /tmp/serve_config.yaml --address http://ray:8265
    ;;
*)
    echo "there is no such part: $1" >&2
    exit 2
    ;;
esac
