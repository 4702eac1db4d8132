# The gateway alone on distroless: no shell, no package manager, uid 65532, nothing that needs to be written to.
# Build: docker build --build-arg COMMIT=$(git rev-parse HEAD) -t sealgate:0.2.0 .
FROM rust:1.95-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends cmake=3.25* clang=1:14* \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY Cargo.toml Cargo.lock ./
COPY .cargo ./.cargo
COPY src ./src
# a label of sealgate_build_info
ARG COMMIT
RUN SEALGATE_COMMIT=$COMMIT cargo build --release --locked --ignore-rust-version --bin sealgate && mkdir -p /empty/data

FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="sealgate" \
      org.opencontainers.image.description="S3 gateway that encrypts" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /source/target/release/sealgate /usr/local/bin/sealgate
COPY --from=build --chown=65532:65532 /empty/data /var/lib/sealgate
USER 65532:65532
ENV SEALGATE_LOG_FORMAT=json
# a local store without a path of its own is kept here
WORKDIR /var/lib/sealgate
EXPOSE 8000 8001
VOLUME /var/lib/sealgate
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/sealgate"]
CMD ["serve"]
