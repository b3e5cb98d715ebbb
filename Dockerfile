# The service as an image: nothing but Python, the hash-locked dependencies and Keystead, non-root.
#
#   docker build -t keystead .
#   docker run --rm -v keystead:/var/lib/keystead keystead init
#   docker run -v keystead:/var/lib/keystead -p 8080:8080 keystead
#
# The volume holds the store and the secrets, with an emulated HSM unless you name one (docs/hsm.md): keep it, back it up, and let nobody else read it.
# Nothing else is written: with --read-only --tmpfs /tmp --cap-drop ALL it runs as well.
# docs/deployment.md has the rest; deploy/compose has the same with PostgreSQL.

FROM python:3.11-slim AS build
WORKDIR /src
# The dependencies first: this layer stays until the lock changes.
COPY deploy/install.sh deploy/sbom.py deploy/
COPY requirements/build.txt requirements/server.txt requirements/
RUN deploy/install.sh locked /opt/keystead
COPY LICENSE README.md pyproject.toml ./
COPY agent agent
COPY hsm hsm
COPY loadtest loadtest
COPY server server
COPY validation validation
RUN deploy/install.sh release /opt/keystead

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/keystead --create-home \
        --shell /usr/sbin/nologin keystead \
    && chmod 0700 /var/lib/keystead
COPY --from=build /opt/keystead /opt/keystead
# PYTHONSAFEPATH: a directory named `server` beside the caller must never shadow the package.
ENV PATH=/opt/keystead/bin:$PATH \
    KEYSTEAD_DATA=/var/lib/keystead \
    PYTHONSAFEPATH=1 \
    PYTHONDONTWRITEBYTECODE=1
USER keystead
WORKDIR /var/lib/keystead
# In the image: /opt/keystead/sbom.cdx.json, what it is made of beside Debian and Python.
VOLUME /var/lib/keystead
EXPOSE 8080 8081
# SIGTERM finishes what was accepted, then ends.
STOPSIGNAL SIGTERM
# Alive, not ready: a database that is down is not mended by starting this container again.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8081/healthz', timeout=2)"]
ENTRYPOINT ["keystead"]
# Metrics and health answer to whoever reaches port 8081: publish it to your own network only.
CMD ["serve", "--listen", "0.0.0.0:8080", "--ops-listen", "0.0.0.0:8081"]
