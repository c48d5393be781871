package attachment

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"im/domain"
)

// ChecksumHeader is the header of an upload to a node that repeats the declared checksum.
const ChecksumHeader = "X-Checksum-Sha256"

// folder is a storage in a folder that all nodes share. A file has the id as its name, in
// one of 256 folders by the end of the id. All paths are opened within the root.
type folder struct {
	root *os.Root
	sign *signer
}

const (
	temporary = "tmp" // files that are being uploaded
	filePerm  = 0o600
	dirPerm   = 0o700
)

// folderOf returns the path of file:///folder.
func folderOf(at *url.URL) (string, error) {
	path := filepath.FromSlash(at.Path)
	if at.Host != "" || path == "" || !filepath.IsAbs(path) || at.RawQuery != "" || at.Fragment != "" {
		return "", errors.New("a folder is file:// and an absolute path, such as file:///var/lib/im/files")
	}
	return path, nil
}

func openFolder(at *url.URL, sign *signer) (*folder, error) {
	path, err := folderOf(at)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, dirPerm); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	if err := root.MkdirAll(temporary, dirPerm); err != nil {
		_ = root.Close()
		return nil, err
	}
	return &folder{root: root, sign: sign}, nil
}

func folderName(id domain.AttachmentID) string { return fmt.Sprintf("%02x", id[15]) }

func fileOf(id domain.AttachmentID) string { return folderName(id) + "/" + id.String() }

func (f *folder) upload(ctx context.Context, a domain.Attachment, base *url.URL) (string, map[string]string, error) {
	address, err := f.sign.address(ctx, toUpload, a, base, a.UploadUntil.Time)
	headers := map[string]string{"Content-Type": a.MIME}
	if hasSum(a) {
		headers[ChecksumHeader] = hexSum(a.SHA256)
	}
	return address, headers, err
}

func (f *folder) link(ctx context.Context, a domain.Attachment, base *url.URL, until time.Time) (string, error) {
	return f.sign.address(ctx, toRead, a, base, until)
}

// has is false: the node that takes an upload makes it ready at once.
func (f *folder) has(context.Context, domain.Attachment) (bool, error) { return false, nil }

func (f *folder) remove(_ context.Context, id domain.AttachmentID) error {
	// A folder that was not mounted has no files. That they are missing means nothing then.
	if _, err := f.root.Stat(temporary); err != nil {
		return err
	}
	err := f.root.Remove(fileOf(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// tidy deletes uploads that a dying node has left.
func (f *folder) tidy(context.Context) error {
	entries, err := fs.ReadDir(f.root.FS(), temporary)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > uploadTime+uploadMargin {
			_ = f.root.Remove(temporary + "/" + entry.Name()) // another node may have been faster
		}
	}
	return nil
}

// errNotAsDeclared is the cause of an upload that differs from its declaration.
type errNotAsDeclared struct{ reason string }

func (e errNotAsDeclared) Error() string { return e.reason }

// store writes a file that is as declared, durably, or nothing. A file that is there already
// stays: a later upload cannot change what others have read.
func (f *folder) store(a domain.Attachment, body io.Reader) (err error) {
	name := temporary + "/" + a.ID.String() + "." + rand.Text()
	file, err := f.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, filePerm)
	if err != nil {
		return err
	}
	defer func() {
		_ = file.Close()
		_ = f.root.Remove(name)
	}()
	sum, head := sha256.New(), &headWriter{}
	n, err := io.Copy(io.MultiWriter(file, sum, head), io.LimitReader(body, a.Size+1))
	switch {
	case err != nil:
		return err
	case n != a.Size:
		return errNotAsDeclared{"the body has not the declared size"}
	case hasSum(a) && [32]byte(sum.Sum(nil)) != a.SHA256:
		return errNotAsDeclared{"the body has not the declared checksum"}
	case !fits(a.MIME, head.data):
		return errNotAsDeclared{"the body is not of the declared type"}
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := f.root.MkdirAll(folderName(a.ID), dirPerm); err != nil {
		return err
	}
	if err := f.root.Link(name, fileOf(a.ID)); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return f.syncFolder(folderName(a.ID))
}

// syncFolder makes a new name durable.
func (f *folder) syncFolder(name string) error {
	dir, err := f.root.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	return dir.Sync()
}

// headWriter keeps the first bytes that are written to it.
type headWriter struct{ data []byte }

// Write implements io.Writer.
func (w *headWriter) Write(p []byte) (int, error) {
	w.data = append(w.data, p[:min(len(p), headBytes-len(w.data))]...)
	return len(p), nil
}

func (f *folder) check(context.Context) error {
	name := temporary + "/check." + rand.Text()
	if err := f.root.WriteFile(name, []byte("im"), filePerm); err != nil {
		return err
	}
	text, err := f.root.ReadFile(name)
	if err == nil && string(text) != "im" {
		err = errors.New("a file was read with other bytes than were written")
	}
	if linkErr := f.root.Link(name, name+"2"); linkErr != nil {
		err = errors.Join(err, linkErr)
	} else {
		err = errors.Join(err, f.root.Remove(name+"2"))
	}
	return errors.Join(err, f.root.Remove(name))
}

func (f *folder) origins() []string { return nil }

func (f *folder) close() {} // the root is needed until the last request ends
