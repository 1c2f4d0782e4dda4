# InfluxDB 1.x from Debian's packages, with the surface of the official image.
ARG BASE
FROM ${BASE} AS influxdb
ARG PACKAGES
RUN keep-only ${PACKAGES}
COPY influxdb.sh /usr/local/bin/docker-entrypoint.sh
RUN chmod 0755 /usr/local/bin/docker-entrypoint.sh \
 && mkdir -p /docker-entrypoint-initdb.d /var/lib/influxdb && chown influxdb /var/lib/influxdb
VOLUME /var/lib/influxdb
EXPOSE 8086
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["influxd"]
