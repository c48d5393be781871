# The image holds the program, certificates of authorities and time zones: no shell, no
# libraries. It runs as any user id, on a read-only file system.
#
# For several platforms, with the program that scripts/build-release makes anywhere:
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=… --build-arg REVISION=… --build-arg DATE=… .
# The build runs on this machine's platform and Go compiles for the other one.
FROM --platform=$BUILDPLATFORM golang:1.26-alpine AS build
RUN apk add --no-cache ca-certificates tzdata
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS TARGETARCH
ARG VERSION=
ARG REVISION=
ARG DATE=
RUN GOOS=${TARGETOS} GOARCH=${TARGETARCH} scripts/build-release /im

FROM scratch
ARG VERSION=
ARG REVISION=
ARG DATE=
LABEL org.opencontainers.image.title="im" \
      org.opencontainers.image.description="An instant-messaging backend" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${DATE}"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /usr/share/zoneinfo /usr/share/zoneinfo
COPY --from=build /im /im
# A number, because Kubernetes cannot tell whether a name is root (runAsNonRoot).
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
# The check reads IM_ADDR, as the node does.
HEALTHCHECK --interval=5s --timeout=4s --start-period=20s --retries=5 CMD ["/im", "health"]
ENTRYPOINT ["/im"]
CMD ["serve"]
