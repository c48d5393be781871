// Package tlsfiles reads from a URL which certificates its connections use. The
// parameters are those that RabbitMQ defines for its URLs:
//
//	cacertfile              PEM file of the authorities to trust, instead of the system's
//	certfile, keyfile       PEM files of the client's certificate and its key
//	verify                  verify_peer (the default), or verify_none to accept any certificate
//	server_name_indication  name that the certificate must have, instead of the host's
package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
)

// Files are the certificates of connections. The zero value trusts the authorities of
// the system and has no certificate of its own.
type Files struct {
	caCert, cert, key, serverName string
	anyCertificate                bool
}

// Take returns the parameters of a query and removes them from it. It reports whether
// there was one. An error names the parameter or the file.
func Take(query url.Values) (f Files, found bool, err error) {
	for name, target := range map[string]*string{
		"cacertfile": &f.caCert, "certfile": &f.cert, "keyfile": &f.key, "server_name_indication": &f.serverName,
	} {
		found = found || query.Has(name)
		*target = query.Get(name)
		query.Del(name)
	}
	switch verify := query.Get("verify"); verify {
	case "":
	case "verify_peer", "verify_none":
		found, f.anyCertificate = true, verify == "verify_none"
	default:
		return f, true, fmt.Errorf("verify is verify_peer or verify_none, not %q", verify)
	}
	query.Del("verify")
	if (f.cert == "") != (f.key == "") {
		return f, found, errors.New("certfile and keyfile belong together: one of them is missing")
	}
	_, err = f.Config("")
	return f, found, err
}

// Config returns the configuration of a connection to a host. It reads the files, so
// that a new connection uses renewed certificates.
func (f Files) Config(host string) (*tls.Config, error) {
	config := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, InsecureSkipVerify: f.anyCertificate} //nolint:gosec // verify=verify_none asks for it
	if f.serverName != "" {
		config.ServerName = f.serverName
	}
	if f.caCert != "" {
		pem, err := os.ReadFile(f.caCert)
		if err != nil {
			return nil, fmt.Errorf("cacertfile: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("cacertfile: %s has no certificate in PEM form", f.caCert)
		}
	}
	if f.cert != "" {
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return nil, fmt.Errorf("certfile, keyfile: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// AnyCertificate returns files that accept any certificate of the server.
func (f Files) AnyCertificate() Files {
	f.anyCertificate = true
	return f
}
