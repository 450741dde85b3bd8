# codeexec: nginx and codeexecd in one container.
#
#     docker build -t codeexec .
#     docker run -d -p 127.0.0.1:8080:8080 --read-only --tmpfs /run \
#         --cgroupns=private --security-opt no-new-privileges \
#         --security-opt seccomp=docker/seccomp.json \
#         --cap-drop=ALL --cap-add=SYS_ADMIN --cap-add=SETUID --cap-add=SETGID \
#         --cap-add=CHOWN --cap-add=DAC_READ_SEARCH codeexec
#
# docs/deployment.md tells what each of these is for.

ARG BASE=debian:bookworm-slim

# --- what runs find below /usr ---------------------------------------------

FROM $BASE AS packages

ARG PACKAGES="python3 python3-numpy python3-pandas python3-matplotlib fonts-wqy-microhei"

RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $PACKAGES \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb

# --- module, daemon, runtimes ----------------------------------------------

# With the packages of the runs, as the list of fonts is made here, too.

FROM packages AS build

RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        gcc libc6-dev make pkg-config nginx-dev libssl-dev zlib1g-dev libpcre2-dev libjansson-dev \
        libpq-dev libevent-dev libconfuse-dev libseccomp-dev python3-dev

WORKDIR /src
COPY Makefile config README.md SECURITY.md CHANGES LICENSE ./
COPY conf conf
COPY docs docs
COPY ngx_http_codeexec_module ngx_http_codeexec_module
COPY sandbox sandbox
COPY tools tools
RUN make -j"$(nproc)" install DESTDIR=/out \
    && strip /out/usr/local/sbin/codeexecd /out/usr/local/lib/codeexec/codeexec-builder \
        /out/usr/local/lib/codeexec/python/*.so /out/usr/lib/nginx/modules/*.so \
    && sed -i 's|^rootfs = "/"|rootfs = "/srv/codeexec"|' /out/etc/codeexec/codeexecd.conf \
    && grep -q '^rootfs = "/srv/codeexec"' /out/etc/codeexec/codeexecd.conf

# --- the tree of the runs ----------------------------------------------------

# A tree of its own: no file of it is one that nginx or codeexecd executes.
# What compiles, documents or installs is left out, and so is every setuid bit.

FROM packages AS rootfs

RUN mkdir /rootfs && cp -a /usr /bin /sbin /lib* /rootfs/ \
    && mkdir /rootfs/etc && cd /etc \
    && cp -a --parents alternatives fonts ld.so.cache matplotlibrc mime.types os-release /rootfs/etc/ \
        2>/dev/null; \
    cd /rootfs/usr && rm -rf include src games local lib/gcc lib/apt lib/dpkg lib/systemd lib/udev \
        lib/valgrind libexec share/apt* share/bash-completion share/bug share/debconf share/doc \
        share/doc-base share/dpkg share/gdb share/info share/lintian share/locale share/man \
        share/menu share/perl* share/pixmaps share/systemd share/unicode \
        lib/*-linux-gnu/perl* lib/*-linux-gnu/lib[alt]san.so* lib/*-linux-gnu/libubsan.so* \
    && find . -name '*.a' -delete -o -name '*.o' -delete -o -path '*/tests/*' -name '*.py[c]' -delete \
    && find . -perm /6000 -exec chmod a-s {} +

# --- the image ---------------------------------------------------------------

FROM $BASE

RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        nginx libevent-core-2.1-7 libconfuse2 libjansson4 libseccomp2 libpq5 mount util-linux \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb \
        /etc/nginx/sites-enabled/default

COPY --from=rootfs /rootfs /srv/codeexec
COPY --from=build /out /
COPY docker/nginx.conf /etc/codeexec/nginx.conf
COPY docker/cgroups docker/entrypoint docker/healthcheck /usr/local/lib/codeexec/

EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=15s --start-period=30s \
    CMD ["/usr/local/lib/codeexec/healthcheck"]
ENTRYPOINT ["/usr/local/lib/codeexec/entrypoint"]
