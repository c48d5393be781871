package attachment

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"im/domain"
)

// Path is where nodes take and serve the files of a folder, by signed addresses.
const Path = "/attachments/"

// idleTime is how long an upload or a download may make no progress.
const idleTime = 30 * time.Second

// Handler takes uploads to a folder, and serves its files. The signature of an address is
// the only permission that it needs, so pages of every origin may use it. IsOwn reports
// whether a request was sent to the origin of a base; fail answers with an error.
func (s *Service) Handler(isOwn func(*http.Request, *url.URL) bool, fail func(http.ResponseWriter, *http.Request, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
		h.Set("Referrer-Policy", "no-referrer")
		var err error
		switch f, isFolder := s.storage.(*folder); {
		case !isFolder, s.o.Base != nil && !isOwn(r, s.o.Base):
			err = domain.ErrNotFound
		case r.Method == http.MethodOptions:
			h.Set("Access-Control-Allow-Methods", "GET, HEAD, PUT")
			h.Set("Access-Control-Allow-Headers", "Content-Type, Range, "+ChecksumHeader)
			h.Set("Access-Control-Max-Age", "7200")
			w.WriteHeader(http.StatusNoContent)
		case r.Method == http.MethodPut:
			err = s.take(w, r, f)
		case r.Method == http.MethodGet, r.Method == http.MethodHead:
			err = s.serve(w, r, f)
		default:
			err = domain.ErrNotFound
		}
		if err != nil {
			fail(w, r, err)
		}
	})
}

// permitted returns the attachment of a signed address.
func (s *Service) permitted(r *http.Request, what string) (a domain.Attachment, err error) {
	id, err := domain.ParseAttachmentID("/attachment_id", strings.TrimPrefix(r.URL.Path, Path))
	if err != nil {
		return a, domain.ErrNotFound
	}
	if a, err = s.o.Store.Attachment(r.Context(), id); err != nil {
		return a, err
	}
	good, err := s.signer.verify(r.Context(), what, a, r.URL.Query())
	if err != nil {
		return a, err
	}
	if !good || a.State == domain.AttachmentGone {
		return a, domain.ErrNotFound
	}
	return a, nil
}

// take takes an upload. To upload a file again that is there changes nothing.
func (s *Service) take(w http.ResponseWriter, r *http.Request, f *folder) error {
	a, err := s.permitted(r, toUpload)
	if err != nil {
		return err
	}
	if err := checkHeaders(a, r); err != nil {
		s.metrics.uploads.WithLabelValues(uploadRefused).Inc()
		return err
	}
	if a.State == domain.AttachmentPending {
		if err := s.takeBody(w, r, f, a); err != nil {
			return err
		}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// checkHeaders compares what an upload says of itself with what was declared.
func checkHeaders(a domain.Attachment, r *http.Request) error {
	refused := domain.ErrInvalid.WithMessage("the upload is not what was declared")
	var fields *domain.Error
	add := func(header, reason string) {
		if fields == nil {
			fields = refused
		}
		fields = fields.WithField("/"+header, reason)
	}
	if r.ContentLength != a.Size {
		add("Content-Length", "is not the declared size")
	}
	if r.Header.Get("Content-Type") != a.MIME {
		add("Content-Type", "is not the declared type")
	}
	if hasSum(a) && r.Header.Get(ChecksumHeader) != hexSum(a.SHA256) {
		add(ChecksumHeader, "is not the declared checksum")
	}
	if fields == nil {
		return nil
	}
	return fields
}

func (s *Service) takeBody(w http.ResponseWriter, r *http.Request, f *folder, a domain.Attachment) error {
	body := &progress{r.Body, http.NewResponseController(w), time.Now().Add(uploadMargin)}
	err := f.store(a, body)
	s.metrics.bytes.WithLabelValues("in").Add(float64(a.Size))
	if wrong, ok := errors.AsType[errNotAsDeclared](err); ok {
		s.metrics.uploads.WithLabelValues(uploadRefused).Inc()
		return domain.ErrInvalid.WithMessage(wrong.reason)
	}
	if err != nil {
		s.metrics.uploads.WithLabelValues(uploadFailed).Inc()
		return domain.ErrUnavailable.WithMessage("the file could not be stored").WithCause(err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), settleTime)
	defer cancel()
	wanted, err := s.o.Store.AttachmentUploaded(ctx, a.ID)
	switch {
	case err != nil:
		s.metrics.uploads.WithLabelValues(uploadFailed).Inc()
		return err
	case !wanted: // the sweep was faster; it deletes the file once more, when the upload has expired
		_ = f.remove(ctx, a.ID)
		return domain.ErrNotFound
	}
	s.metrics.uploads.WithLabelValues(uploadAccepted).Inc()
	return nil
}

// progress reads a body for as long as bytes arrive, up to an end. The server's own limit is
// made for small bodies.
type progress struct {
	io.Reader

	control *http.ResponseController
	end     time.Time
}

// Read implements io.Reader.
func (p *progress) Read(buf []byte) (int, error) {
	deadline := time.Now().Add(idleTime)
	if deadline.After(p.end) {
		deadline = p.end
	}
	_ = p.control.SetReadDeadline(deadline)
	_ = p.control.SetWriteDeadline(deadline.Add(idleTime))
	return p.Reader.Read(buf)
}

// serve serves a file.
func (s *Service) serve(w http.ResponseWriter, r *http.Request, f *folder) error {
	a, err := s.permitted(r, toRead)
	if err != nil {
		return err
	}
	if a.State == domain.AttachmentPending {
		return domain.ErrNotFound
	}
	file, err := f.root.Open(fileOf(a.ID))
	if err != nil {
		return domain.ErrUnavailable.WithMessage("the file cannot be read").WithCause(err)
	}
	defer func() { _ = file.Close() }()
	h := w.Header()
	kind, disposition := served(a.MIME, a.Name)
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", disposition)
	h.Set("Cache-Control", "private, max-age=300")
	h.Set("ETag", `"`+a.ID.String()+`"`) // the file never changes
	counted := &writing{ResponseWriter: w, control: http.NewResponseController(w)}
	http.ServeContent(counted, r, "", time.Time{}, file)
	s.metrics.bytes.WithLabelValues("out").Add(float64(counted.bytes))
	return nil
}

// writing writes for as long as the client reads.
type writing struct {
	http.ResponseWriter

	control *http.ResponseController
	bytes   int64
}

// Write implements io.Writer.
func (w *writing) Write(p []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(idleTime))
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}
