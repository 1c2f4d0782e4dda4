# Redis and Valkey from Debian's packages, with the surface of the official images.
ARG BASE
FROM ${BASE} AS server
ARG PACKAGES
RUN keep-only ${PACKAGES}
COPY redis.sh /usr/local/bin/docker-entrypoint.sh
ARG NAME
RUN chmod 0755 /usr/local/bin/docker-entrypoint.sh && mkdir /data && chown "$NAME:$NAME" /data
WORKDIR /data
VOLUME /data
EXPOSE 6379
ENTRYPOINT ["docker-entrypoint.sh"]

FROM server AS redis
CMD ["redis-server"]

FROM server AS valkey
CMD ["valkey-server"]
