# Two stages: the second has the installed program and no build tools. Runs as a user without rights.
FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/southgate
COPY requirements.lock pyproject.toml README.md ./
COPY gateway gateway
COPY mappers mappers
COPY profiles profiles
COPY datastore datastore
COPY simulators simulators
COPY constraints.txt ./
RUN /opt/southgate/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt '.[all]'

FROM python:3.11-slim
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/southgate southgate \
 && mkdir -p /etc/southgate && chown southgate /etc/southgate
COPY --from=build /opt/southgate /opt/southgate
COPY --chown=southgate deploy/gateway.yaml /etc/southgate/gateway.yaml
ENV PATH=/opt/southgate/bin:$PATH PYTHONUNBUFFERED=1
USER southgate
VOLUME ["/var/lib/southgate"]
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/gateway/api/v1/live', timeout=4)"]
ENTRYPOINT ["southgate"]
CMD ["run", "--config", "/etc/southgate/gateway.yaml"]
