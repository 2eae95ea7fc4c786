# One static program on an empty file system. Build with `make image`.
#
# The names of the images are arguments, so that a mirror or a digest can stand in for them:
#   --build-arg BUILDER=registry.example/rust:1-bookworm@sha256:...
ARG BUILDER=docker.io/library/rust:1-bookworm

# hadolint ignore=DL3006
FROM ${BUILDER} AS build
ARG TARGET=x86_64-unknown-linux-gnu
WORKDIR /src
COPY . .
# glibc is linked in (crt-static), and so are OpenSSL, zlib and zstd. With an explicit target, build scripts and
# procedural macros stay dynamic, as they must be. The epoch keeps OpenSSL from recording when it was built.
ENV RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=/src=maxspan" \
    SOURCE_DATE_EPOCH=1
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --features vendored-tls --target "${TARGET}" \
    && mkdir -p /out/etc/ssl/certs /out/licenses/rules \
    && cp "target/${TARGET}/release/maxspan" /out/maxspan
# A program that wants a loader or a library would only fail when the container starts.
RUN readelf --program-headers --dynamic /out/maxspan > /tmp/elf \
    && ! grep -E 'INTERP|NEEDED' /tmp/elf \
    && /out/maxspan --version \
    && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ \
    && echo 'maxspan:x:65532:65532:maxspan:/:/nologin' > /out/etc/passwd \
    && echo 'maxspan:x:65532:' > /out/etc/group \
    && cp LICENSE NOTICE /out/licenses/ \
    && cp config/rules/LICENSE config/rules/NOTICE /out/licenses/rules/

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="maxspan" \
      org.opencontainers.image.description="Elastic-style EQL detection rules, run in real time on a Kafka stream" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0 AND Elastic-2.0"
COPY --from=build /out/ /
# The OpenSSL inside was built elsewhere and would look there.
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
# Numeric, so that the kubelet can tell that it is not root.
USER 65532:65532
EXPOSE 9600
STOPSIGNAL SIGTERM
ENTRYPOINT ["/maxspan"]
