# Two stages: the second has the installed program, no package installer and no build tools, and runs as a user without rights.
FROM python:3.11-slim AS build
WORKDIR /src
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/southgate
ENV PATH=/opt/southgate/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# the libraries change rarely: a layer of their own, each file checked against its hash. uvloop's debug symbols alone
# are 12 MB (what wheels bring along in .libs does not survive strip); the address space is for simulated OPC UA servers
# only, which then start a second later.
# LOCK=requirements-full.lock adds the history, all exporters and models
ARG LOCK=requirements-runtime.lock
COPY requirements-runtime.lock requirements-full.lock ./
RUN pip install --require-hashes -r "$LOCK" \
 && find /opt/southgate -name '*.so' -not -path '*.libs/*' -exec strip --strip-unneeded {} + \
 && rm -r "$(python -c 'import asyncua.server as s; print(s.__path__[0])')/standard_address_space/__pycache__"
COPY pyproject.toml README.md ./
COPY gateway gateway
COPY mappers mappers
COPY profiles profiles
COPY datastore datastore
COPY simulators simulators
RUN pip install --no-deps . && pip check && pip uninstall --yes setuptools pip

FROM python:3.11-slim
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/southgate --shell /usr/sbin/nologin southgate \
 && install -d -o southgate -g southgate \
    /var/lib/southgate /var/lib/southgate/profiles /var/lib/southgate/devices /var/lib/southgate/data
COPY --from=build /opt/southgate /opt/southgate
COPY deploy/gateway.yaml /etc/southgate/gateway.yaml
# SOUTHGATE_URL: where the health check asks; another one where gateway.yaml listens elsewhere. container: so that advice
# about serial ports names the engine's flags (systemd's custom)
ENV PATH=/opt/southgate/bin:$PATH PYTHONUNBUFFERED=1 SOUTHGATE_URL=http://127.0.0.1:8080 container=oci
USER 10001:10001
WORKDIR /var/lib/southgate
VOLUME ["/var/lib/southgate"]
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(os.environ['SOUTHGATE_URL'] + '/core-metadata/api/v3/ping', timeout=4)"]
ENTRYPOINT ["southgate"]
CMD ["run", "--config", "/etc/southgate/gateway.yaml"]
