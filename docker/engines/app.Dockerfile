# Stands for an application that keeps its data in files: `app` has a shell, coreutils and tar and
# nothing more, `sqlite` has the command sqlite3 besides. There is nothing official like them.
#
# Ready when: it runs.
ARG BASE
FROM ${BASE} AS app
ARG PACKAGES
RUN keep-only ${PACKAGES}
WORKDIR /data
VOLUME /data
# The first process of a container ignores signals that it does not handle: `docker stop` would
# wait for ten seconds.
STOPSIGNAL SIGKILL
CMD ["sleep", "infinity"]

FROM app AS sqlite
