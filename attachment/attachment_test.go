package attachment

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"im/domain"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeStore has a key, and nothing else.
type fakeStore struct{ Store }

func (fakeStore) AttachmentSecret(context.Context) ([]byte, error) { return []byte("key"), nil }

// A signature is valid for one purpose, one file as it was declared, and until its end.
func TestSignature(t *testing.T) {
	s := &signer{store: fakeStore{}}
	a := domain.Attachment{NewAttachment: domain.NewAttachment{MIME: "image/png", Size: 3, SHA256: [32]byte{1}}, ID: domain.AttachmentID{1}}
	query := func(until time.Time) url.Values {
		at, err := s.address(t.Context(), toRead, a, &url.URL{Scheme: "https", Host: "h", Path: "/base/"}, until)
		require.NoError(t, err)
		u, err := url.Parse(at)
		require.NoError(t, err)
		require.Equal(t, "/base/attachments/"+a.ID.String(), u.Path)
		return u.Query()
	}
	valid := func(what string, a domain.Attachment, q url.Values) bool {
		good, err := s.verify(t.Context(), what, a, q)
		require.NoError(t, err)
		return good
	}
	good := query(time.Now().Add(time.Minute))
	require.True(t, valid(toRead, a, good))
	require.False(t, valid(toUpload, a, good))
	require.False(t, valid(toRead, a, query(time.Now().Add(-2*time.Second))), "its end is over")
	for name, change := range map[string]func(*domain.Attachment){
		"id":   func(a *domain.Attachment) { a.ID[15] = 1 },
		"size": func(a *domain.Attachment) { a.Size++ },
		"mime": func(a *domain.Attachment) { a.MIME = "text/html" },
		"sum":  func(a *domain.Attachment) { a.SHA256[0]++ },
	} {
		other := a
		change(&other)
		require.False(t, valid(toRead, other, good), name)
	}
}

// Files of checked types must begin as their type does; only harmless types are shown.
func TestTypes(t *testing.T) {
	begin := map[string]string{
		"image/png": "\x89PNG\r\n\x1a\n", "image/jpeg": "\xff\xd8\xff\xe0", "image/gif": "GIF89a", "image/webp": "RIFF\x00\x00\x00\x00WEBPVP8 ",
		"image/avif": "\x00\x00\x00\x1cftypavif", "audio/mpeg": "ID3\x04", "audio/mp4": "\x00\x00\x00\x1cftypM4A ", "audio/ogg": "OggS", "audio/wav": "RIFF\x00\x00\x00\x00WAVEfmt ",
		"audio/webm": "\x1a\x45\xdf\xa3", "audio/flac": "fLaC", "video/mp4": "\x00\x00\x00\x1cftypisom", "video/webm": "\x1a\x45\xdf\xa3", "video/ogg": "OggS",
		"video/quicktime": "\x00\x00\x00\x14ftypqt  ", "application/pdf": "%PDF-1.7", "application/zip": "PK\x03\x04",
	}
	require.Len(t, kinds, len(begin))
	require.True(t, fits("audio/mpeg", []byte("\xff\xfb\x90")))
	for mime, head := range begin {
		require.True(t, fits(mime, []byte(head)), mime)
		for _, other := range []string{"", "\x00", "<html>", "<svg xmlns", "MZ\x90", head[1:]} {
			require.False(t, fits(mime, []byte(other)), "%s: %q", mime, other)
		}
		kind, _ := served(mime, "a")
		require.Equal(t, kinds[mime].inline, kind == mime, mime)
	}
	for _, mime := range []string{"text/html", "image/svg+xml", "text/plain", "application/xhtml+xml", "application/pdf", "text/javascript"} {
		kind, disposition := served(mime, "a")
		require.Equal(t, "application/octet-stream", kind)
		require.Contains(t, disposition, "attachment;")
	}
	require.True(t, fits("text/html", []byte("anything")))
}

// What cannot be an address of a storage is refused when the settings are checked.
func TestParse(t *testing.T) {
	for _, good := range []string{"", "file:///var/lib/im", "s3://b?region=r", "s3://b/p/q?region=r&endpoint=https://h:9", "s3://b?region=r&endpoint=h"} {
		require.NoError(t, Parse(good), good)
	}
	for _, bad := range []string{
		"x", "/var/lib/im", "file://var/lib", "file:relative", "file:///a?b=c", "http://h", "s3://", "s3://b", "s3://b?region=r&endpoint=ftp://h",
		"s3://b?region=r&endpoint=https://h/path", "s3://key:secret@b?region=r", "s3://b?region=r&public=true", "%zz",
	} {
		require.Error(t, Parse(bad), bad)
	}
}

// FuzzFileName: no name gets out of its quotes, or into another header.
func FuzzFileName(f *testing.F) {
	for _, name := range []string{"a.txt", "../x", "\"\r\n", "\u202e", "", "报告"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		require.Regexp(t, `^; filename="[A-Za-z0-9._ -]+"; filename\*=UTF-8''[A-Za-z0-9._%-]+$`, fileName(name))
	})
}
