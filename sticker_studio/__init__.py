"""The shared kernel: contracts, pictures, models at inference time, and the store. No torch, Airflow, MLflow or browser at import."""
