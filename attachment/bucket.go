package attachment

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"im/domain"
)

// bucket is a storage in a bucket of S3. Clients upload to it and read from it by signed
// addresses; nodes ask for a file before it is ready, and delete it.
type bucket struct {
	client    *minio.Client
	transport *http.Transport
	name      string
	prefix    string // of all keys
	origin    string // of signed addresses
}

// bucketAddress is s3://bucket/prefix?endpoint=…&region=….
type bucketAddress struct {
	name, prefix, region string
	endpoint             *url.URL
}

func parseBucket(at *url.URL) (b bucketAddress, err error) {
	query := at.Query()
	for name := range query {
		if name != "endpoint" && name != "region" {
			return b, fmt.Errorf("the parameter %q is unknown; a bucket has endpoint and region", name)
		}
	}
	b.name, b.prefix, b.region = at.Host, strings.Trim(at.Path, "/"), query.Get("region")
	if b.prefix != "" {
		b.prefix += "/"
	}
	endpoint := query.Get("endpoint")
	if endpoint == "" {
		endpoint = "https://s3.amazonaws.com"
	} else if !strings.Contains(endpoint, "://") {
		endpoint = "https://" + endpoint
	}
	b.endpoint, err = url.Parse(endpoint)
	switch {
	case b.name == "" || at.User != nil || at.Fragment != "":
		return b, errors.New("a bucket is s3://NAME?endpoint=…&region=…")
	case err != nil || b.endpoint.Scheme != "https" && b.endpoint.Scheme != "http" || b.endpoint.Host == "" || strings.Trim(b.endpoint.Path, "/") != "":
		return b, errors.New("the endpoint must be https:// and a host")
	case b.region == "":
		return b, errors.New("the region is missing")
	}
	return b, nil
}

func openBucket(at *url.URL, accessKey, secretKey string) (*bucket, error) {
	address, err := parseBucket(at)
	if err != nil {
		return nil, err
	}
	secure := address.endpoint.Scheme == "https"
	transport, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, err
	}
	transport.ResponseHeaderTimeout = deleteTime
	keys := credentials.NewStaticV4(accessKey, secretKey, "")
	if accessKey == "" {
		keys = credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{Client: &http.Client{Transport: transport}},
		})
	}
	client, err := minio.New(address.endpoint.Host, &minio.Options{
		Creds: keys, Secure: secure, Region: address.region, Transport: transport, MaxRetries: 2,
	})
	if err != nil {
		return nil, err
	}
	origin, err := originOf(address)
	if err != nil {
		return nil, err
	}
	return &bucket{client, transport, address.name, address.prefix, origin}, nil
}

func (b *bucket) key(id domain.AttachmentID) string { return b.prefix + id.String() }

// The names of the headers in which S3 takes a checksum.
const (
	amzChecksum  = "X-Amz-Checksum-Sha256"
	amzAlgorithm = "X-Amz-Sdk-Checksum-Algorithm"
)

// upload signs a PUT with the length, the type and the checksum: the storage refuses other
// headers, because the signature does not fit, and another body, because the headers do not.
// Without a checksum, the first body that fits stays: the storage refuses a second one.
func (b *bucket) upload(ctx context.Context, a domain.Attachment, _ *url.URL) (string, map[string]string, error) {
	return b.put(ctx, b.key(a.ID), a.Size, a.MIME, a.SHA256, time.Until(a.UploadUntil.Time))
}

func (b *bucket) put(
	ctx context.Context, key string, size int64, mime string, sum [32]byte, valid time.Duration,
) (string, map[string]string, error) {
	headers := map[string]string{"Content-Type": mime}
	if sum == ([32]byte{}) {
		headers["If-None-Match"] = "*"
	} else {
		headers[amzChecksum], headers[amzAlgorithm] = base64.StdEncoding.EncodeToString(sum[:]), "SHA256"
	}
	signed := http.Header{"Content-Length": {strconv.FormatInt(size, 10)}}
	for name, value := range headers {
		signed.Set(name, value)
	}
	at, err := b.client.PresignHeader(ctx, http.MethodPut, b.name, key, valid.Round(time.Second), nil, signed)
	if err != nil {
		return "", nil, err
	}
	return at.String(), headers, nil
}

// link signs a GET that answers with headers which make the file harmless.
func (b *bucket) link(ctx context.Context, a domain.Attachment, _ *url.URL, until time.Time) (string, error) {
	kind, disposition := served(a.MIME, a.Name)
	at, err := b.client.PresignedGetObject(ctx, b.name, b.key(a.ID), time.Until(until).Round(time.Second), url.Values{
		"response-content-type": {kind}, "response-content-disposition": {disposition}, "response-cache-control": {"private, max-age=300"},
	})
	if err != nil {
		return "", err
	}
	return at.String(), nil
}

// has asks for the size, the type, the checksum and the first bytes of a file. A storage
// that keeps no checksum lets the node read the whole file.
func (b *bucket) has(ctx context.Context, a domain.Attachment) (bool, error) {
	info, err := b.client.StatObject(ctx, b.name, b.key(a.ID), minio.StatObjectOptions{Checksum: true})
	if isMissing(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if info.Size != a.Size || info.ContentType != a.MIME {
		return false, nil
	}
	kept := info.ChecksumSHA256 != "" || !hasSum(a)
	if hasSum(a) && kept && info.ChecksumSHA256 != base64.StdEncoding.EncodeToString(a.SHA256[:]) {
		return false, nil
	}
	var part minio.GetObjectOptions
	if kept {
		if err := part.SetRange(0, min(a.Size, headBytes)-1); err != nil {
			return false, err
		}
	}
	if err := part.SetMatchETag(info.ETag); err != nil {
		return false, err
	}
	file, err := b.client.GetObject(ctx, b.name, b.key(a.ID), part)
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }()
	sum, head := sha256.New(), &headWriter{}
	if _, err := io.Copy(io.MultiWriter(sum, head), file); err != nil {
		if isMissing(err) {
			return false, nil
		}
		return false, err
	}
	return fits(a.MIME, head.data) && (kept || [32]byte(sum.Sum(nil)) == a.SHA256), nil
}

func isMissing(err error) bool {
	code := minio.ToErrorResponse(err).Code
	return err != nil && (code == minio.NoSuchKey || code == minio.PreconditionFailed)
}

func (b *bucket) remove(ctx context.Context, id domain.AttachmentID) error {
	err := b.client.RemoveObject(ctx, b.name, b.key(id), minio.RemoveObjectOptions{})
	if isMissing(err) {
		return nil
	}
	return err
}

func (b *bucket) tidy(context.Context) error { return nil }

func (b *bucket) origins() []string { return []string{b.origin} }

// originOf returns the origin of signed addresses, whose host may have the name of the bucket
// and the region in it. It asks no one for keys.
func originOf(address bucketAddress) (string, error) {
	client, err := minio.New(address.endpoint.Host, &minio.Options{
		Creds: credentials.NewStaticV4("any", "any", ""), Secure: address.endpoint.Scheme == "https", Region: address.region,
	})
	if err != nil {
		return "", err
	}
	at, err := client.PresignedGetObject(context.Background(), address.name, "any", time.Minute, nil)
	if err != nil {
		return "", err
	}
	return at.Scheme + "://" + at.Host, nil
}

func (b *bucket) close() { b.transport.CloseIdleConnections() }

// check uploads a small file by signed addresses: with other bytes than were declared, as
// declared, and once more without a checksum. The storage must refuse the first and the last.
func (b *bucket) check(ctx context.Context) error {
	key := b.prefix + "check-" + rand.Text()
	good := []byte("im")
	address, headers, err := b.put(ctx, key, int64(len(good)), "text/plain", sha256.Sum256(good), time.Minute)
	if err != nil {
		return err
	}
	defer func() {
		_ = b.client.RemoveObject(context.WithoutCancel(ctx), b.name, key, minio.RemoveObjectOptions{})
	}()
	if status, err := b.try(ctx, address, headers, "xx"); err != nil {
		return err
	} else if status/100 == 2 {
		return errors.New("the storage took bytes with another checksum than was signed: it must support x-amz-checksum-sha256")
	}
	status, err := b.try(ctx, address, headers, string(good))
	if err != nil {
		return err
	}
	if status/100 != 2 {
		return fmt.Errorf("the storage refused an upload with status %d", status)
	}
	if address, headers, err = b.put(ctx, key, int64(len(good)), "text/plain", [32]byte{}, time.Minute); err != nil {
		return err
	}
	if status, err := b.try(ctx, address, headers, "xx"); err != nil {
		return err
	} else if status/100 == 2 {
		return errors.New("the storage let a file be replaced: it must support If-None-Match")
	}
	if _, err := b.client.StatObject(ctx, b.name, key, minio.StatObjectOptions{}); err != nil {
		return err
	}
	if _, err := b.client.StatObject(ctx, b.name, key+"-missing", minio.StatObjectOptions{}); !isMissing(err) {
		return errors.Join(errors.New("a missing file looks like a forbidden one: the keys need s3:ListBucket on the bucket"), err)
	}
	if status, err = b.read(ctx, key); err == nil && status/100 == 2 {
		err = errors.New("the bucket is public: everyone can read its files without a signature")
	}
	return errors.Join(err, b.client.RemoveObject(ctx, b.name, key, minio.RemoveObjectOptions{}))
}

// try makes a signed upload and returns its status.
func (b *bucket) try(ctx context.Context, address string, headers map[string]string, body string) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, address, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	return b.do(r)
}

// read reads a file without a signature.
func (b *bucket) read(ctx context.Context, key string) (int, error) {
	at := *b.client.EndpointURL()
	at.Path = "/" + b.name + "/" + key
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return 0, err
	}
	return b.do(r)
}

func (b *bucket) do(r *http.Request) (int, error) {
	answer, err := (&http.Client{Transport: b.transport}).Do(r)
	if err != nil {
		return 0, err
	}
	_ = answer.Body.Close()
	return answer.StatusCode, nil
}
