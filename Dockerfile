# parkwatch's own image; docker-compose.yml runs every piece from it. No secrets go in, nothing runs as root.

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/parkwatch
WORKDIR /src
# What it needs changes less often than parkwatch itself, so it has a layer of its own. Every file must have the hash
# that the lock says.
COPY requirements.lock ./
RUN /opt/parkwatch/bin/pip install --quiet --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY park ./park
COPY storage ./storage
COPY ingest ./ingest
COPY workers ./workers
COPY alerts ./alerts
COPY field ./field
COPY reports ./reports
COPY parkwatch ./parkwatch
# The tools to build it (hatchling) stand in the lock, too: nothing is fetched here.
RUN /opt/parkwatch/bin/pip install --quiet --no-deps --no-build-isolation . \
    && /opt/parkwatch/bin/parkwatch --help >/dev/null

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="parkwatch" \
      org.opencontainers.image.description="Alarm and monitoring service for chemical parks" \
      org.opencontainers.image.licenses="Apache-2.0"
# A fixed number, so that volumes keep their owner when the image is built anew.
RUN groupadd --gid 10001 parkwatch \
    && useradd --uid 10001 --gid parkwatch --no-create-home --home-dir /var/lib/parkwatch --shell /usr/sbin/nologin parkwatch \
    && install -d -o parkwatch -g parkwatch -m 0750 /var/lib/parkwatch
COPY --from=build /opt/parkwatch /opt/parkwatch
COPY config /etc/parkwatch/config
ENV PATH=/opt/parkwatch/bin:$PATH \
    PARKWATCH_CONFIG=/etc/parkwatch/config \
    PARKWATCH_HOME=/var/lib/parkwatch \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /var/lib/parkwatch
ENTRYPOINT ["parkwatch"]
CMD ["--help"]
