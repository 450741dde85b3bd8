# systemd and the shipped units in a container, in place of a machine: what
# t/67-docker.t tests the units with, and nothing to be used in service.
#
#     docker build -t codeexec-systemd -f docker/systemd.Dockerfile .
#     docker run -d --cap-add=SYS_ADMIN --cap-add=DAC_READ_SEARCH --cap-add=SYS_PTRACE \
#         --cap-add=NET_ADMIN --security-opt seccomp=unconfined --cgroupns=host \
#         --tmpfs /run --tmpfs /tmp -v /sys/fs/cgroup:/sys/fs/cgroup codeexec-systemd

ARG IMAGE=codeexec
FROM $IMAGE

RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends systemd-sysv \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb

# Debian's nginx and its unit, with the server of the container.

RUN sed -e 's|^worker_processes|user www-data;\n&|; s|/run/nginx/nginx.pid|/run/nginx.pid|; s|/run/nginx/|/var/lib/nginx/|; s|/dev/stdout|/var/log/nginx/access.log|; s|stderr notice|/var/log/nginx/error.log|' \
        /etc/codeexec/nginx.conf >/etc/nginx/nginx.conf \
    && systemctl enable codeexecd.socket codeexecd.service nginx.service

ENV container=docker
HEALTHCHECK NONE
STOPSIGNAL SIGRTMIN+3
ENTRYPOINT ["/sbin/init"]
