package rest

import (
	"bytes"
	"io"
	"net/http"

	"im/domain"
	"im/internal/strictjson"
)

// maxDrained is how much of a body that is too large is still read, so that
// its sender comes to read the answer; after that the connection is closed.
const maxDrained = 16 << 20

// strictBody is a request's body that is read as a whole, within a limit, and
// judged as strict JSON before the first byte is handed on. That happens at the
// first Read: after the generated server has seen the token.
type strictBody struct {
	source    io.ReadCloser
	limit     int64
	announced int64 // Content-Length; -1 if unknown
	checked   *bytes.Reader
	err       error
}

var _ io.ReadCloser = (*strictBody)(nil)

// Read implements io.Reader; its errors are *domain.Error or io.EOF.
func (b *strictBody) Read(p []byte) (int, error) {
	if b.checked == nil && b.err == nil {
		b.load()
	}
	if b.err != nil {
		return 0, b.err
	}
	return b.checked.Read(p)
}

// Close implements io.Closer.
func (b *strictBody) Close() error { return b.source.Close() }

func (b *strictBody) load() {
	if b.announced > b.limit {
		b.refuse()
		return
	}
	text, err := io.ReadAll(io.LimitReader(b.source, b.limit+1))
	switch {
	case err != nil:
		b.err = domain.ErrInvalid.WithMessage("the body could not be read").WithCause(err)
		return
	case int64(len(text)) > b.limit:
		b.refuse()
		return
	case len(text) == 0:
		b.err = domain.ErrInvalid.WithMessage("a body is required")
		return
	}
	if err := strictjson.Check(text); err != nil {
		b.err = domain.InvalidJSON("", err).WithMessage("the body is not strict JSON")
		return
	}
	b.checked = bytes.NewReader(text)
}

func (b *strictBody) refuse() {
	b.err = domain.ErrTooLarge.WithMessage("the body is too large")
	_, _ = io.CopyN(io.Discard, b.source, maxDrained) // an error changes nothing
}

// answer remembers whether something was written.
type answer struct {
	http.ResponseWriter
	begun bool
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	a.begun = true
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	a.begun = true
	return a.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach what is below.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
