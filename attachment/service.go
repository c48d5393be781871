package attachment

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"im/domain"
)

const (
	// DefaultOrphan is how long an attachment may exist without a message that names it.
	DefaultOrphan = 24 * time.Hour

	uploadTime   = time.Hour       // validity of a signed upload
	linkTime     = 5 * time.Minute // validity of a signed address to read
	uploadMargin = time.Hour       // how long an upload may last that began in time

	defaultPause = time.Second
	lease        = 30 * time.Second // of a file that is being deleted; another attempt follows
	deleteTime   = 10 * time.Second // bounds one attempt
	settleTime   = 5 * time.Second  // bounds the question whether a file was uploaded
	sweepBatch   = 100
	quotasEvery  = time.Hour
)

// Store keeps the rows of attachments.
type Store interface {
	CreateAttachment(ctx context.Context, id domain.AttachmentID, owner domain.UserID, n domain.NewAttachment, upload, orphan time.Duration, perDay int) (domain.Attachment, error)
	// Attachment returns one in any state.
	Attachment(ctx context.Context, id domain.AttachmentID) (domain.Attachment, error)
	ReadableAttachment(ctx context.Context, a domain.Actor, id domain.AttachmentID) (domain.Attachment, error)
	// AttachmentUploaded makes a pending one ready, and reports whether the file is wanted.
	AttachmentUploaded(ctx context.Context, id domain.AttachmentID) (wanted bool, err error)
	AttachmentSecret(ctx context.Context) ([]byte, error)
	OrphanAttachments(ctx context.Context, limit int) (int, error)
	ClaimGoneAttachments(ctx context.Context, limit int, lease time.Duration) ([]domain.AttachmentID, error)
	AttachmentDeleted(ctx context.Context, id domain.AttachmentID, margin time.Duration) error
	SweepAttachmentQuotas(ctx context.Context) error
}

// storage holds files.
type storage interface {
	// upload signs the upload of a file. Base is the address of the node.
	upload(ctx context.Context, a domain.Attachment, base *url.URL) (address string, headers map[string]string, err error)
	// link signs the address of a file, until a time.
	link(ctx context.Context, a domain.Attachment, base *url.URL, until time.Time) (address string, err error)
	// has reports whether the file is there as it was declared.
	has(ctx context.Context, a domain.Attachment) (bool, error)
	// remove deletes a file. A missing one is no error.
	remove(ctx context.Context, id domain.AttachmentID) error
	// tidy deletes what interrupted work has left.
	tidy(ctx context.Context) error
	// check finds out whether the storage works.
	check(ctx context.Context) error
	// origins are the origins to which clients upload, beside the node's own.
	origins() []string
	// close ends idle connections.
	close()
}

// Options configure a Service. Store, Limits and Address are required.
type Options struct {
	Store  Store
	Limits domain.Limits
	// Address is where the files are: file:///folder or s3://bucket?endpoint=…&region=….
	// Without it, nothing can be uploaded or read.
	Address string
	// AccessKey and SecretKey sign requests to a bucket. If they are empty, they are looked
	// for where programs for S3 do that: the environment, files, the metadata of the machine.
	AccessKey, SecretKey string
	// Base is the address of the nodes under which a browser gets files of a folder, such
	// as https://files.example.com; nil: the address of the request.
	Base *url.URL
	// Orphan is how long an attachment may exist without a message; DefaultOrphan if zero.
	Orphan time.Duration
	// Pause is the time between two looks at what is to be deleted; a second by default.
	Pause   time.Duration
	Logger  *slog.Logger
	Metrics prometheus.Registerer
}

// Service creates, reads and deletes attachments. It is safe for concurrent use.
type Service struct {
	o       Options
	storage storage // nil: there is none
	signer  *signer
	metrics *metrics
}

// New returns a Service. It starts no goroutine, and reaches no storage.
func New(o Options) (*Service, error) {
	o.Orphan, o.Pause = cmp.Or(o.Orphan, DefaultOrphan), cmp.Or(o.Pause, defaultPause)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Service{o: o, signer: &signer{store: o.Store}, metrics: newMetrics(o.Metrics)}
	if o.Address == "" {
		return s, nil
	}
	var err error
	s.storage, err = open(o, s.signer)
	return s, err
}

// open returns the storage at an address.
func open(o Options, sign *signer) (storage, error) {
	at, err := url.Parse(o.Address)
	if err != nil {
		return nil, errors.New("it is no URL")
	}
	switch at.Scheme {
	case "file":
		return openFolder(at, sign)
	case "s3":
		return openBucket(at, o.AccessKey, o.SecretKey)
	}
	return nil, errors.New("it must begin with file:// or s3://")
}

// Check finds out whether the storage at an address works: it writes, reads and deletes a
// small file, and it refuses a file with another checksum.
func Check(ctx context.Context, o Options) error {
	s, err := open(o, nil)
	if err != nil {
		return err
	}
	defer s.close()
	return s.check(ctx)
}

// Origins returns the origins to which pages upload files, if these are not the node's own.
func (s *Service) Origins() []string {
	switch {
	case s.storage == nil:
		return nil
	case s.o.Base != nil:
		return append(s.storage.origins(), s.o.Base.Scheme+"://"+s.o.Base.Host)
	default:
		return s.storage.origins()
	}
}

// Parse returns an error if an address cannot be that of a storage. It reaches nothing.
func Parse(address string) error {
	if address == "" {
		return nil
	}
	at, err := url.Parse(address)
	if err != nil {
		return errors.New("it is no URL")
	}
	switch at.Scheme {
	case "file":
		_, err = folderOf(at)
	case "s3":
		_, err = parseBucket(at)
	default:
		err = errors.New("it must begin with file:// or s3://")
	}
	return err
}

// errNoStorage is the answer where IM_ATTACHMENTS is not set.
var errNoStorage = domain.ErrUnavailable.WithMessage("this server stores no files: IM_ATTACHMENTS is not set").Final()

// CreateAttachment declares a file, and returns how it is uploaded. Base is the address of
// the node as the client sees it.
func (s *Service) CreateAttachment(ctx context.Context, a domain.Actor, n domain.NewAttachment, base *url.URL) (up domain.AttachmentUpload, err error) {
	if s.storage == nil {
		return up, errNoStorage
	}
	if err := n.Check(s.o.Limits); err != nil {
		return up, err
	}
	perDay := s.o.Limits.AttachmentsPerDay
	if a.Backend {
		perDay = 0 // backends are never limited by rates
	}
	id := domain.AttachmentID(domain.NewConversationID(time.Now()))
	made, err := s.o.Store.CreateAttachment(ctx, id, a.User, n, uploadTime, s.o.Orphan, perDay)
	if err != nil {
		return up, err
	}
	address, headers, err := s.storage.upload(ctx, made, s.base(base))
	if err != nil {
		return up, domain.ErrUnavailable.WithCause(err)
	}
	s.metrics.created.Inc()
	return domain.AttachmentUpload{AttachmentID: id, UploadURL: address, Method: "PUT", Headers: headers, ExpiresAt: made.UploadUntil}, nil
}

// base returns the address under which files of a folder are reached.
func (s *Service) base(ofRequest *url.URL) *url.URL {
	if s.o.Base != nil {
		return s.o.Base
	}
	return ofRequest
}

// Attachment returns where the actor can read a file for the next minutes. It is
// ErrNotFound unless the file is uploaded, and the actor may read a message that names it
// or, if no message does, owns it.
func (s *Service) Attachment(ctx context.Context, actor domain.Actor, id domain.AttachmentID, base *url.URL) (link domain.AttachmentLink, err error) {
	if s.storage == nil {
		return link, errNoStorage
	}
	a, err := s.o.Store.ReadableAttachment(ctx, actor, id)
	if err != nil {
		return link, err
	}
	if a.State == domain.AttachmentPending {
		if a, err = s.settle(ctx, a); err != nil {
			return link, err
		}
		if a.State == domain.AttachmentPending {
			return link, domain.ErrNotFound
		}
	}
	until := time.Now().Add(linkTime)
	address, err := s.storage.link(ctx, a, s.base(base), until)
	if err != nil {
		return link, domain.ErrUnavailable.WithCause(err)
	}
	s.metrics.links.Inc()
	return domain.AttachmentLink{
		AttachmentID: id, URL: address, ExpiresAt: domain.TimeOf(until), Name: a.Name, MIME: a.MIME, Size: a.Size,
	}, nil
}

var _ domain.Uploads = (*Service)(nil)

// SettleAttachment implements domain.Uploads. Without a storage it does nothing.
func (s *Service) SettleAttachment(ctx context.Context, owner domain.UserID, id domain.AttachmentID) error {
	if s.storage == nil {
		return nil
	}
	a, err := s.o.Store.Attachment(ctx, id)
	if errors.Is(err, domain.ErrNotFound) {
		return nil
	}
	if err != nil || a.Owner != owner || a.State != domain.AttachmentPending {
		return err
	}
	_, err = s.settle(ctx, a)
	return err
}

// settle asks the storage for the file of a pending attachment.
func (s *Service) settle(ctx context.Context, a domain.Attachment) (domain.Attachment, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	has, err := s.storage.has(ctx, a)
	if err != nil {
		s.o.Logger.WarnContext(ctx, "the storage of attachments cannot be asked (IM_ATTACHMENTS)", "error", err)
		return a, domain.ErrUnavailable.WithMessage("the storage of files does not answer").WithCause(err)
	}
	if !has {
		return a, nil
	}
	wanted, err := s.o.Store.AttachmentUploaded(ctx, a.ID)
	if err == nil && wanted {
		a.State = domain.AttachmentReady
		s.metrics.uploads.WithLabelValues(uploadAccepted).Inc()
	}
	return a, err
}

// Run deletes orphans and files that are gone, until ctx ends. All nodes do that.
func (s *Service) Run(ctx context.Context) error {
	if s.storage == nil {
		<-ctx.Done()
		return nil
	}
	defer s.storage.close()
	ticker := time.NewTicker(s.o.Pause)
	defer ticker.Stop()
	var tidied time.Time
	failing := false
	for {
		err := s.sweep(ctx)
		if time.Since(tidied) > quotasEvery {
			tidied = time.Now()
			err = errors.Join(err, s.o.Store.SweepAttachmentQuotas(ctx), s.storage.tidy(ctx))
		}
		if err != nil && !failing && ctx.Err() == nil {
			s.o.Logger.WarnContext(ctx, "files of attachments wait to be deleted, retrying", "error", err)
		}
		failing = err != nil
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// sweep deletes everything that is due.
func (s *Service) sweep(ctx context.Context) error {
	var failed error
	for {
		n, err := s.o.Store.OrphanAttachments(ctx, sweepBatch)
		s.metrics.orphans.Add(float64(n))
		failed = err
		if err != nil || n < sweepBatch {
			break
		}
	}
	for {
		gone, err := s.o.Store.ClaimGoneAttachments(ctx, sweepBatch, lease)
		if err != nil {
			return errors.Join(failed, err)
		}
		if err := s.removeAll(ctx, gone); err != nil {
			return errors.Join(failed, err)
		}
		if len(gone) < sweepBatch {
			return failed
		}
	}
}

// removeAll deletes files, some at a time.
func (s *Service) removeAll(ctx context.Context, gone []domain.AttachmentID) error {
	const together = 8
	var mu sync.Mutex
	var failed error
	slots := make(chan struct{}, together)
	var running sync.WaitGroup
	for _, id := range gone {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			if err := s.remove(ctx, id); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = err
			}
		})
	}
	running.Wait()
	return failed
}

// remove deletes one file, and then its row. If it fails, or the node dies, the claim ends
// and another attempt follows.
func (s *Service) remove(ctx context.Context, id domain.AttachmentID) error {
	ctx, cancel := context.WithTimeout(ctx, deleteTime)
	defer cancel()
	if err := s.storage.remove(ctx, id); err != nil {
		s.metrics.deletions.WithLabelValues(deletionFailed).Inc()
		return err
	}
	s.metrics.deletions.WithLabelValues(deletionDone).Inc()
	return s.o.Store.AttachmentDeleted(ctx, id, uploadMargin)
}
