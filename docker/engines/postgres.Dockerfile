# PostgreSQL from Debian's packages, with the surface of the official image.
ARG BASE
FROM ${BASE} AS postgres
ARG PACKAGES
RUN keep-only ${PACKAGES}
ARG TAG
ENV PG_MAJOR=${TAG} PGDATA=/var/lib/postgresql/data LANG=C.UTF-8 \
    PATH=/usr/local/bin:/usr/lib/postgresql/${TAG}/bin:/usr/sbin:/usr/bin:/sbin:/bin
COPY postgres.sh /usr/local/bin/docker-entrypoint.sh
RUN chmod 0755 /usr/local/bin/docker-entrypoint.sh \
 && mkdir -p /docker-entrypoint-initdb.d "$PGDATA" /var/run/postgresql \
 && chown postgres:postgres "$PGDATA" /var/run/postgresql \
 && chmod 0700 "$PGDATA"
VOLUME /var/lib/postgresql/data
EXPOSE 5432
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
