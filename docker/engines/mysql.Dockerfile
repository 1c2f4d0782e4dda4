# MariaDB and MySQL from Debian's packages, with the surface of the official images. Each holds a
# data folder that is initialised already, without what must identify one server only: its number
# and its keys, which a server that has none makes anew.
ARG BASE
FROM ${BASE} AS server
ARG PACKAGES
RUN keep-only ${PACKAGES} && groupadd --system mysql \
 && useradd --system --gid mysql --home-dir /var/lib/mysql --no-create-home mysql
ARG NAME TAG
# From version 11 on, the official image of MariaDB has no tool by its old name.
RUN mkdir -p /docker-entrypoint-initdb.d /etc/mysql/conf.d \
 && install --directory --owner=mysql --group=mysql /var/lib/mysql /var/lib/mysql-files /run/mysqld \
 && printf '%s\n' '[mysqld]' host-cache-size=0 skip-name-resolve character-set-server=utf8mb4 \
      '[client]' socket=/run/mysqld/mysqld.sock >/etc/mysql/conf.d/docker.cnf \
 && { [ -e /etc/mysql/my.cnf ] || echo '!includedir /etc/mysql/conf.d/' >/etc/mysql/my.cnf; } \
 && case "$NAME:$TAG" in \
      mysql:*) mysqld --initialize-insecure --user=mysql --datadir=/usr/local/share/initialised ;; \
      mariadb:*) mariadb-install-db --user=mysql --datadir=/usr/local/share/initialised \
        --skip-test-db --auth-root-authentication-method=normal ;; \
    esac \
 && rm -f /usr/local/share/initialised/auto.cnf /usr/local/share/initialised/*.pem \
 && case "$NAME:$TAG" in \
      mysql:* | mariadb:10.*) ;; \
      *) find /usr/bin /usr/sbin -name 'mysql*' -type l -delete ;; \
    esac
COPY mysql.sh /usr/local/bin/docker-entrypoint.sh
RUN chmod 0755 /usr/local/bin/docker-entrypoint.sh
VOLUME /var/lib/mysql
EXPOSE 3306
ENTRYPOINT ["docker-entrypoint.sh"]

FROM server AS mysql
CMD ["mysqld"]

FROM server AS mariadb
CMD ["mariadbd"]
