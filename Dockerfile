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

# --- the tree of the runs --------------------------------------------------

# As "make rootfs" builds it, from conf/rootfs.conf but for these packages.  No
# file of it is one that nginx or codeexecd executes.

FROM $BASE AS rootfs

RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends mmdebstrap python3

ARG WITHOUT="python3-opencv"

# Node.js, and what codeexec-languages.conf has sections for.

ARG LANGUAGES="nodejs perl ruby lua5.4 php-cli gcc libc6-dev g++ esbuild sqlite3"

WORKDIR /src
COPY sandbox/rootfs sandbox/rootfs
COPY sandbox/runtimes/python/fontcache.py sandbox/runtimes/python/
COPY conf/rootfs.conf .

RUN for package in $WITHOUT; do \
        sed -i -E "s/([{ ])$package([,}])/\1python3\2/" rootfs.conf || exit; \
    done \
    && if [ -n "$LANGUAGES" ]; then \
        echo "packages += {$(echo $LANGUAGES | sed 's/ /, /g')}" >>rootfs.conf; \
    fi \
    && sandbox/rootfs/codeexec-rootfs build --in-container -c rootfs.conf -o /images \
    && mv "$(readlink -f /images/current)" /rootfs

# --- module, daemon, runtimes ------------------------------------------------

FROM $BASE AS build

RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        gcc libc6-dev make pkg-config nginx-dev libssl-dev zlib1g-dev libpcre2-dev libjansson-dev \
        libpq-dev libevent-dev libconfuse-dev libseccomp-dev python3-dev \
        nodejs libnode-dev libuv1-dev

WORKDIR /src
COPY Makefile config README.md SECURITY.md CHANGES LICENSE ./
COPY conf conf
COPY docs docs
COPY ngx_http_codeexec_module ngx_http_codeexec_module
COPY sandbox sandbox
COPY tools tools

# The list of fonts is in the tree of the runs; what is not in it is no language.

ARG LANGUAGES="nodejs perl ruby lua5.4 php-cli gcc libc6-dev g++ esbuild sqlite3"

RUN make -j"$(nproc)" -o build/python/matplotlib/matplotlibrc install DESTDIR=/out \
    && strip /out/usr/local/sbin/codeexecd /out/usr/local/lib/codeexec/codeexec-builder \
        /out/usr/local/lib/codeexec/python/*.so /out/usr/lib/nginx/modules/*.so \
    && rm -r /out/usr/local/sbin/codeexec-rootfs /out/usr/local/lib/codeexec/rootfs \
        /out/etc/codeexec/rootfs.conf \
    && sed -i 's|^rootfs = "/"|rootfs = "/srv/codeexec"|' /out/etc/codeexec/codeexecd.conf \
    && grep -q '^rootfs = "/srv/codeexec"' /out/etc/codeexec/codeexecd.conf \
    && if [ -n "$LANGUAGES" ]; then \
        echo 'include("/etc/codeexec/codeexec-languages.conf")' >>/out/etc/codeexec/codeexecd.conf; \
    fi \
    && case " $LANGUAGES " in *" nodejs "*) \
        sed -i '/^# runtime nodejs {/,/^# }/s/^# \{0,1\}//' /out/etc/codeexec/codeexecd.conf;; \
    esac

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
