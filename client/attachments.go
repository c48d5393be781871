package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// File is a file to upload.
type File struct {
	Name string // shown to readers, 1 to 255 characters
	MIME string // the media type, in lower case and without parameters, such as image/png
	// Content is read twice, from its beginning: for the checksum, and for the upload.
	Content io.ReadSeeker
	// Progress, if set, is called while the file is uploaded.
	Progress func(sent, size int64)
}

// Upload uploads a file, and returns the id by which the content of a message names it:
// {"type":"image","attachment_id":"…"}. A file that no message names is deleted after a day.
// ErrTooLarge and ErrRateLimited name the limits of the server; ErrUnavailable with
// RetryNever means that it stores no files.
func (c *Client) Upload(ctx context.Context, f File) (id AttachmentID, err error) {
	sum := sha256.New()
	size, err := readAll(f.Content, sum)
	if err != nil {
		return id, err
	}
	var up AttachmentUpload
	err = c.Do(ctx, http.MethodPost, "/attachments", map[string]any{
		"name": f.Name, "mime": f.MIME, "size": size, "sha256": hex.EncodeToString(sum.Sum(nil)),
	}, &up)
	if err != nil {
		return id, err
	}
	if _, err := f.Content.Seek(0, io.SeekStart); err != nil {
		return id, err
	}
	request, err := http.NewRequestWithContext(ctx, up.Method, c.absolute(up.UploadURL), &uploading{f, 0, size})
	if err != nil {
		return id, err
	}
	request.ContentLength = size
	for name, value := range up.Headers {
		request.Header.Set(name, value)
	}
	response, err := c.files().Do(request)
	if err != nil {
		return id, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1000))
		return id, fmt.Errorf("client: the storage refused the file with status %d: %s", response.StatusCode, text)
	}
	return up.AttachmentID, nil
}

// readAll writes everything to w, and returns how much that is.
func readAll(content io.ReadSeeker, w io.Writer) (int64, error) {
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	return io.Copy(w, content)
}

// uploading is the body of an upload. It reports the progress.
type uploading struct {
	File

	sent, size int64
}

// Read implements io.Reader.
func (u *uploading) Read(p []byte) (int, error) {
	n, err := u.Content.Read(p)
	if u.sent += int64(n); u.Progress != nil && n > 0 {
		u.Progress(u.sent, u.size)
	}
	return n, err
}

// AttachmentLink returns where a file can be read for five minutes, by everyone who has the
// URL. It is ErrNotFound for a file that the user may not read, and after a recall.
func (c *Client) AttachmentLink(ctx context.Context, id AttachmentID) (link AttachmentLink, err error) {
	err = c.Do(ctx, http.MethodGet, "/attachments/"+id.String()+"?redirect=false", nil, &link)
	link.URL = c.absolute(link.URL)
	return link, err
}

// Download writes a file to w, and returns what it is. It fails if the file has another size
// than was declared.
func (c *Client) Download(ctx context.Context, id AttachmentID, w io.Writer) (link AttachmentLink, err error) {
	if link, err = c.AttachmentLink(ctx, id); err != nil {
		return link, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, link.URL, http.NoBody)
	if err != nil {
		return link, err
	}
	response, err := c.files().Do(request)
	if err != nil {
		return link, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return link, fmt.Errorf("client: the storage answered with status %d", response.StatusCode)
	}
	n, err := io.Copy(w, response.Body)
	if err == nil && n != link.Size {
		err = errors.New("client: the file has another size than was declared")
	}
	return link, err
}

// files returns a client without a time-out: a file may take long.
func (c *Client) files() *http.Client { return &http.Client{Transport: c.http.Transport} }

// absolute resolves an address that a node has given.
func (c *Client) absolute(address string) string {
	base, err := url.Parse(c.opts.URLs[0] + "/")
	if err != nil {
		return address
	}
	at, err := base.Parse(address)
	if err != nil {
		return address
	}
	return at.String()
}
