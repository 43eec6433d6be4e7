# Not tried: there was no container engine where this was written. See docs/docker.md.

FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements/run.txt requirements/
RUN pip install --no-cache-dir --requirement requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .
# Optional parts, such as serve,objects. Without pip and without what only the build needs.
ARG EXTRAS=""
RUN python -m venv --without-pip /opt/millstream \
    && pip --python /opt/millstream/bin/python install --no-cache-dir --constraint requirements/run.txt \
       "$(ls /wheels/*.whl)${EXTRAS:+[$EXTRAS]}"

FROM python:3.11-slim
RUN useradd --system --uid 10001 --create-home millstream \
    && install --directory --owner=millstream /state /data
COPY --from=build /opt/millstream /opt/millstream
ENV PATH=/opt/millstream/bin:$PATH \
    MILLSTREAM_STATE=/state
USER millstream
WORKDIR /data
VOLUME /state
STOPSIGNAL SIGTERM
ENTRYPOINT ["millstream"]
CMD ["--help"]
