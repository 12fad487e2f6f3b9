# syntax=docker/dockerfile:1
# The serving image: service/ and models/ with what they need on CPU, as a user without rights.
ARG PYTHON=python:3.13-slim

FROM ${PYTHON} AS dependencies
ARG UV_VERSION=0.13.9
RUN pip install --no-cache-dir uv==${UV_VERSION}
WORKDIR /axon
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never
COPY pyproject.toml uv.lock ./
RUN --mount=type=cache,target=/root/.cache/uv uv sync --frozen --no-dev

FROM ${PYTHON}
RUN useradd --system --uid 10001 --no-create-home axon
WORKDIR /axon
COPY --from=dependencies /axon/.venv .venv
COPY models models
COPY service service
ENV PATH=/axon/.venv/bin:$PATH PYTHONUNBUFFERED=1 AXON_HTTP__PORT=3000
USER axon
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ['AXON_HTTP__PORT']}/readyz\", timeout=2)"]
CMD ["python", "-m", "service"]
