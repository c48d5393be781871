FROM golang:1.26-alpine AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /im ./cmd/im

FROM alpine:3.22
RUN adduser -D -H -u 10001 im
COPY --from=build /im /usr/local/bin/im
USER im
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=5 \
  CMD wget -q -O /dev/null http://127.0.0.1:8080/healthz
ENTRYPOINT ["im"]
CMD ["serve"]
