package rest

//go:generate go tool ogen --clean --loglevel error --config api/ogen.yml --package api --target api ../openapi.yaml
