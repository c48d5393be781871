package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
	"im/test/s3test"
)

// newBucketCluster is newCluster with a bucket for files.
func newBucketCluster(t *testing.T, env ...string) (*cluster, *s3test.Server) {
	t.Helper()
	server := s3test.Start(t)
	return newCluster(t, append(env, "IM_ATTACHMENTS="+server.Address(),
		"IM_ATTACHMENTS_ACCESS_KEY="+s3test.AccessKey, "IM_ATTACHMENTS_SECRET_KEY="+s3test.SecretKey)...), server
}

// TestAttachmentInBucket: a file goes from its declaration to its deletion, by signed
// requests to the storage, over two nodes.
func TestAttachmentInBucket(t *testing.T) {
	c, server := newBucketCluster(t)
	one, two := c.node("one"), c.node("two")
	group := one.group("alice", "bob")
	up := one.declare("alice", "../报告.html", "text/html", []byte("<script>"))
	require.True(t, strings.HasPrefix(up.UploadURL, server.URL()), up.UploadURL)
	status, body := one.attach("alice", group, "m-1", fileContent(up.AttachmentID))
	require.Equal(t, 400, status, "not uploaded: %s", body)
	status, text := one.put(up, []byte("<script>"))
	require.Equal(t, 200, status, text)
	// The node that posts asks the storage, and finds the file.
	status, body = two.attach("alice", group, "m-1", fileContent(up.AttachmentID))
	require.Equal(t, 201, status, "%s", body)
	posted := decode[domain.Event](t, body)
	status, _ = one.location("carol", up.AttachmentID)
	require.Equal(t, 404, status)
	status, address := one.location("bob", up.AttachmentID)
	require.Equal(t, 302, status)
	status, header, text := one.read(address)
	require.Equal(t, 200, status, text)
	require.Equal(t, "<script>", text)
	require.Equal(t, "application/octet-stream", header.Get("Content-Type"))
	require.Equal(t, `attachment; filename="__.html"; filename*=UTF-8''%E6%8A%A5%E5%91%8A.html`, header.Get("Content-Disposition"))
	at, err := url.Parse(address)
	require.NoError(t, err)
	query := at.Query()
	require.InDelta(t, 300, atoi(t, query.Get("X-Amz-Expires")), 2)
	query.Set("response-content-type", "text/html")
	at.RawQuery = query.Encode()
	status, _, _ = one.read(at.String())
	require.Equal(t, 403, status, "the signature binds the type that is served")
	at.RawQuery = ""
	status, _, _ = one.read(at.String())
	require.Equal(t, 403, status, "nothing is public")

	one.mustCall(200, userToken(t, "alice"), "DELETE", "/v1/conversations/"+group.String()+"/messages/"+itoa(posted.Seq), nil)
	status, _ = two.location("bob", up.AttachmentID)
	require.Equal(t, 404, status)
	eventually.True(t, "the object is deleted", func() bool { return len(server.Keys()) == 0 })

	// The upload is still signed and brings the object back; it is deleted once more.
	status, _ = one.put(up, []byte("<script>"))
	require.Equal(t, 200, status)
	require.Len(t, server.Keys(), 1)
	c.exec(`UPDATE attachments SET upload_until = clock_timestamp() - interval '2 hours', due_at = clock_timestamp()`)
	eventually.True(t, "the object is deleted again", func() bool { return len(server.Keys()) == 0 })
	eventually.True(t, "the row is deleted", func() bool { return c.number(`SELECT count(*) FROM attachments`) == 0 })
}

func atoi(t *testing.T, text string) (n int) {
	t.Helper()
	for _, digit := range text {
		require.True(t, digit >= '0' && digit <= '9', text)
		n = 10*n + int(digit-'0')
	}
	return n
}

// TestBucketWithoutChecksum: the first file that fits stays.
func TestBucketWithoutChecksum(t *testing.T) {
	c, _ := newBucketCluster(t)
	n := c.node("one")
	other := append([]byte{}, png...)
	other[len(other)-1] ^= 1
	up := n.undeclared("alice", png)
	status, text := n.put(up, png[1:])
	require.Equal(t, 403, status, text)
	status, text = n.put(up, png)
	require.Equal(t, 200, status, text)
	status, text = n.put(up, other)
	require.Equal(t, 412, status, text)
	status, text = n.put(up, other, "If-None-Match", "")
	require.Equal(t, 403, status, text)
	_, address := n.location("alice", up.AttachmentID)
	status, _, text = n.read(address)
	require.Equal(t, 200, status)
	require.Equal(t, string(png), text)
}

// TestBucketLies: the storage refuses what the signature does not bind.
func TestBucketLies(t *testing.T) {
	c, server := newBucketCluster(t)
	n := c.node("one")
	other := append([]byte{}, png...)
	other[len(other)-1] ^= 1
	sum := sha256.Sum256(other)
	const checksum = "X-Amz-Checksum-Sha256"
	for name, lie := range map[string]struct {
		body []byte
		head []string
	}{
		"longer":                 {append(append([]byte{}, png...), 'x'), nil},
		"shorter":                {png[:len(png)-1], nil},
		"other bytes":            {other, nil},
		"other bytes, other sum": {other, []string{checksum, base64.StdEncoding.EncodeToString(sum[:])}},
		"other type":             {png, []string{"Content-Type", "text/html"}},
	} {
		up := n.declare("alice", "a", "image/png", png)
		status, text := n.put(up, lie.body, lie.head...)
		require.Contains(t, []int{400, 403}, status, "%s: %s", name, text)
		require.Empty(t, server.Keys(), name)
		status, _ = n.location("alice", up.AttachmentID)
		require.Equal(t, 404, status, name)
	}
	up, second := n.declare("alice", "a", "image/png", png), n.declare("alice", "b", "image/png", png)
	for name, change := range map[string]func(*domain.AttachmentUpload){
		"another key": func(up *domain.AttachmentUpload) {
			up.UploadURL = strings.Replace(up.UploadURL, up.AttachmentID.String(), second.AttachmentID.String(), 1)
		},
		"no checksum": func(up *domain.AttachmentUpload) {
			up.Headers = map[string]string{"Content-Type": "image/png"}
		},
		"later": func(up *domain.AttachmentUpload) {
			up.UploadURL = strings.Replace(up.UploadURL, "X-Amz-Expires=", "X-Amz-Expires=1", 1)
		},
	} {
		forged := up
		change(&forged)
		status, text := n.put(forged, png)
		require.Contains(t, []int{400, 403}, status, "%s: %s", name, text)
	}
	require.Empty(t, server.Keys())

	// A file that is not of its type can be uploaded, and is never ready.
	html := []byte("<script>alert(1)</script>")
	up = n.declare("alice", "a.png", "image/png", html)
	status, text := n.put(up, html)
	require.Equal(t, 200, status, text)
	status, _ = n.location("alice", up.AttachmentID)
	require.Equal(t, 404, status)
	group := n.group("alice", "bob")
	status, body := n.attach("alice", group, "m-1", fileContent(up.AttachmentID))
	require.Equal(t, 400, status, "%s", body)
}

// TestBucketAway: a message that names an upload is unavailable while the storage cannot be
// asked; other messages go on. The file of a message that is recalled meanwhile is deleted
// when the storage is back, by another node, because the first one is killed.
func TestBucketAway(t *testing.T) {
	c, server := newBucketCluster(t)
	one := c.node("one")
	group := one.group("alice", "bob")
	up := one.declare("alice", "a", "image/png", png)
	status, text := one.put(up, png)
	require.Equal(t, 200, status, text)
	status, body := one.attach("alice", group, "m-1", fileContent(up.AttachmentID))
	require.Equal(t, 201, status, "%s", body)
	seq := decode[domain.Event](t, body).Seq
	later := one.declare("alice", "b", "image/png", png)
	status, text = one.put(later, png)
	require.Equal(t, 200, status, text)

	server.Kill()
	status, body = one.attach("alice", group, "m-2", fileContent(later.AttachmentID))
	require.Equal(t, 503, status, "%s", body)
	status, body = one.attach("alice", group, "m-1", fileContent(up.AttachmentID))
	require.Equal(t, 200, status, "a repetition needs no storage: %s", body)
	status, body = one.attach("alice", group, "m-3", map[string]any{"type": "text", "text": "x"})
	require.Equal(t, 201, status, "%s", body)
	one.mustCall(200, userToken(t, "alice"), "DELETE", "/v1/conversations/"+group.String()+"/messages/"+itoa(seq), nil)
	eventually.True(t, "a deletion has begun", func() bool { return c.number(`SELECT coalesce(max(attempts), 0) FROM attachments`) > 0 })
	one.Signal(syscall.SIGKILL)
	server.Resume()
	require.Len(t, server.Keys(), 2)
	two := c.node("two")
	eventually.True(t, "the object is deleted", func() bool { return len(server.Keys()) == 1 })
	status, body = two.attach("alice", group, "m-2", fileContent(later.AttachmentID))
	require.Equal(t, 201, status, "%s", body)
}

// TestBucketUploadExpires: the storage refuses an upload after its end.
func TestBucketUploadExpires(t *testing.T) {
	c, server := newBucketCluster(t)
	n := c.node("one")
	up := n.declare("alice", "a", "image/png", png)
	at, err := url.Parse(up.UploadURL)
	require.NoError(t, err)
	require.InDelta(t, time.Hour.Seconds(), atoi(t, at.Query().Get("X-Amz-Expires")), 5)
	req, err := http.NewRequest("PUT", server.URL()+up.AttachmentID.String(), bytes.NewReader(png))
	require.NoError(t, err)
	status, _, _ := n.fetch(req)
	require.Equal(t, 403, status, "without a signature")
}
