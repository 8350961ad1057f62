#!/bin/sh
# Runs a command with addresses made from the secrets that are mounted, so that none stands in an image, a compose file or `docker inspect`.
set -eu
secret() { cat "/run/secrets/$1" 2>/dev/null || true; }
# PostgreSQL takes the password percent-encoded in an address
encoded() { python -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.stdin.read().strip(), safe=""))'; }
if [ -r /run/secrets/postgres_password ]; then
    password=$(secret postgres_password | encoded)
    export AIRFLOW__DATABASE__SQL_ALCHEMY_CONN="postgresql+psycopg2://sticker:$password@postgres/airflow"
    export AIRFLOW__CELERY__RESULT_BACKEND="db+postgresql://sticker:$password@postgres/airflow"
    export MLFLOW_BACKEND_STORE_URI="postgresql+psycopg2://sticker:$password@postgres/mlflow"
    export STICKER_RECORDS="postgresql+psycopg2://sticker:$password@postgres/jobs"
fi
if [ -r /run/secrets/airflow_jwt ]; then
    AIRFLOW__API_AUTH__JWT_SECRET=$(secret airflow_jwt)
    AIRFLOW__API__SECRET_KEY=$(secret airflow_secret_key)
    AIRFLOW__CORE__FERNET_KEY=$(secret airflow_fernet_key)
    export AIRFLOW__API_AUTH__JWT_SECRET AIRFLOW__API__SECRET_KEY AIRFLOW__CORE__FERNET_KEY
fi
if [ -r /run/secrets/airflow_password ]; then
    STICKER_AIRFLOW_PASSWORD=$(secret airflow_password)
    export STICKER_AIRFLOW_PASSWORD
fi
exec "$@"
