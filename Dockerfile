# One image for every process of hoistway: `hoistway ingest`, `dispatch`, `api`, `migrate`, `simulate`.
# The second stage has neither pip nor a compiler, and runs as an ordinary user.

FROM python:3.12.12-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/hoistway
WORKDIR /build
COPY . .
RUN /opt/hoistway/bin/pip install -c constraints.txt . \
    && /opt/hoistway/bin/pip uninstall --yes pip setuptools wheel

FROM python:3.12.12-slim-bookworm
RUN python -m pip uninstall --yes --root-user-action=ignore pip setuptools wheel \
    && groupadd --gid 10001 hoistway \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin hoistway \
    && install --directory --owner 10001 --group 10001 /var/lib/hoistway
COPY --from=build /opt/hoistway /opt/hoistway
ENV PATH=/opt/hoistway/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /
ENTRYPOINT ["hoistway"]
CMD ["--help"]
