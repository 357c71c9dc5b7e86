# One image for every process; the command picks which: api, worker, migrate, serve.

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /app
RUN python -m venv /venv
COPY requirements.lock ./
RUN /venv/bin/pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY migrations migrations
# In the checkout's layout, so that the program finds its migrations beside its source.
RUN /venv/bin/pip install --no-deps --editable . && /venv/bin/python -m compileall -q src

FROM python:3.13-slim
RUN useradd --system --user-group --uid 10001 --create-home --home-dir /var/lib/leadvibe leadvibe
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    LEADVIBE_HOST=0.0.0.0 \
    LEADVIBE_DATA_DIR=/var/lib/leadvibe
USER 10001
WORKDIR /var/lib/leadvibe
VOLUME /var/lib/leadvibe
EXPOSE 8000
ENTRYPOINT ["leadvibe"]
CMD ["serve"]
