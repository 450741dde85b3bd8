# The test suite, to be run inside of the image and with its privileges:
#
#     docker build -t codeexec-test -f docker/test.Dockerfile .
#     docker run --rm … --tmpfs /tmp codeexec-test t/40-hostile-*.t t/41-isolation.t
#
# where … are the options that Dockerfile begins with, and --cap-add=KILL for
# tests that kill a worker of nginx.

ARG IMAGE=codeexec
FROM $IMAGE

RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends perl procps python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb

COPY t /src/t
COPY conf /src/conf
COPY README.md SECURITY.md /src/
COPY docs /src/docs
WORKDIR /src

ENV CODEEXEC_MODULE=/usr/lib/nginx/modules/ngx_http_codeexec_module.so \
    CODEEXEC_DAEMON=/usr/local/sbin/codeexecd \
    CODEEXEC_LIBRARY=/usr/local/lib/codeexec \
    CODEEXEC_ROOTFS=/srv/codeexec

HEALTHCHECK NONE
ENTRYPOINT ["/bin/bash", "-c", "/usr/local/lib/codeexec/cgroups && exec prove \"$@\"", "-"]
