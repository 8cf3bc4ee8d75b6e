# Augur with what a team needs (docs/service.md): docker build -t augur .
FROM python:3.12-slim

# Extras of pyproject.toml, such as "postgres,ray"; a torch for GPUs: --build-arg TORCH=auto
ARG EXTRAS=""
ARG TORCH="cpu"
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /opt/augur
COPY pyproject.toml README.md LICENSE ./
COPY packaging packaging
COPY agent agent
COPY evaluators evaluators
COPY prompts prompts
COPY tools tools
RUN python -m pip install --no-cache-dir "uv>=0.9,<1" \
    && uv pip install --system --no-cache --torch-backend "${TORCH}" --overrides packaging/overrides.txt \
        ".${EXTRAS:+[${EXTRAS}]}"

RUN useradd --create-home --uid 1000 augur \
    && mkdir /runs /artifacts \
    && chown augur:augur /runs /artifacts
USER 1000
WORKDIR /home/augur
VOLUME ["/runs"]
EXPOSE 8765
ENV AGENT_RUNS_DIR=/runs

HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8765/health', timeout=4)"]
# SIGTERM interrupts the studies, which resume when the container starts again.
CMD ["agent", "serve", "--host", "0.0.0.0"]
