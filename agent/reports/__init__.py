"""Reports of studies, finished or not: put together from MLflow and the study's folder, and written as pages."""
