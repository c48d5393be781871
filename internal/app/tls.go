package app

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"im/internal/certfiles"
)

// TLS is the certificate of a node. Without one, it serves without TLS.
type TLS struct {
	CertFile string `group:"TLS" name:"tls-cert-file" placeholder:"FILE" help:"PEM file of the certificate, with those of intermediate authorities after it. The node then serves HTTPS only, at the admin address too. A renewed file is used for new connections within a second or two."`
	KeyFile  string `group:"TLS" name:"tls-key-file" placeholder:"FILE" help:"PEM file of the key of the certificate."`
}

// Config returns the configuration of TLS; nil without a certificate. Errors name the
// setting.
func (t TLS) Config(logger *slog.Logger) (*tls.Config, error) {
	switch {
	case t.CertFile == "" && t.KeyFile == "":
		return nil, nil
	case t.CertFile == "":
		return nil, errors.New("IM_TLS_KEY_FILE is set without IM_TLS_CERT_FILE")
	case t.KeyFile == "":
		return nil, errors.New("IM_TLS_CERT_FILE is set without IM_TLS_KEY_FILE")
	}
	certificate, err := certfiles.Load(t.CertFile, t.KeyFile, logger)
	if err != nil {
		return nil, fmt.Errorf("IM_TLS_CERT_FILE, IM_TLS_KEY_FILE: %w", err)
	}
	return certificate.Config(), nil
}

// withTLS returns a listener whose connections speak TLS, unless config is nil.
func withTLS(listener net.Listener, config *tls.Config) net.Listener {
	if config == nil {
		return listener
	}
	return tls.NewListener(listener, config)
}
