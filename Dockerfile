# syntax=docker/dockerfile:1
# The serving image: service/ and models/ with what they need, run by a user without rights on a root that is read only.
#
#   docker build --tag axon .                                       CPU
#   docker build --tag axon:gpu --build-arg DEVICE=gpu .            adds torch
#   docker build --build-arg PYTHON=python:3.13-slim-trixie@sha256:… .   a base that never changes
ARG PYTHON=python:3.13-slim-trixie

FROM ${PYTHON} AS base

FROM base AS dependencies
ARG UV_VERSION=0.13.9
RUN pip install --no-cache-dir --root-user-action=ignore uv==${UV_VERSION}
WORKDIR /axon
ARG DEVICE=cpu
RUN --mount=type=bind,source=pyproject.toml,target=pyproject.toml \
    --mount=type=bind,source=uv.lock,target=uv.lock \
    --mount=type=cache,target=/root/.cache/uv \
    UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never uv sync --frozen --no-dev --extra ${DEVICE}
# Without the tests of others, 20 MB with a key among them. Same inputs, same layers: bytecode that is trusted by content,
# not by time, and one date for every file.
RUN find .venv -type d \( -name tests -o -name test \) -prune -exec rm -r {} + \
 && rm .venv/.lock \
 && python -m compileall -q --invalidation-mode unchecked-hash .venv \
 && find . -exec touch --no-dereference --date=@0 {} +

FROM base AS house
WORKDIR /axon
COPY models models
COPY service service
RUN chmod -R u=rwX,go=rX . \
 && python -m compileall -q --invalidation-mode unchecked-hash . \
 && find . -exec touch --no-dereference --date=@0 {} +

FROM base
COPY --from=dependencies /axon /axon
COPY --from=house /axon /axon
WORKDIR /axon
ENV PATH=/axon/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
USER 10001:10001
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=4s --start-period=60s --start-interval=1s --retries=3 \
  CMD ["python", "-m", "service.healthcheck"]
CMD ["python", "-m", "service"]
