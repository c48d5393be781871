package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
)

var png = []byte("\x89PNG\r\n\x1a\n not really a picture")

// declaration is the body of POST /v1/attachments.
func declaration(name, mime string, data []byte) map[string]any {
	sum := sha256.Sum256(data)
	return map[string]any{"name": name, "mime": mime, "size": len(data), "sha256": hex.EncodeToString(sum[:])}
}

// declare declares a file.
func (n *testNode) declare(user domain.UserID, name, mime string, data []byte) domain.AttachmentUpload {
	n.t.Helper()
	return decode[domain.AttachmentUpload](n.t, n.mustCall(201, userToken(n.t, user), "POST", "/v1/attachments", declaration(name, mime, data)))
}

// put uploads data as an upload says, with some headers changed.
func (n *testNode) put(up domain.AttachmentUpload, data []byte, change ...string) (int, string) {
	n.t.Helper()
	req, err := http.NewRequest(up.Method, up.UploadURL, bytes.NewReader(data))
	require.NoError(n.t, err)
	for name, value := range up.Headers {
		req.Header.Set(name, value)
	}
	for i := 0; i < len(change); i += 2 {
		req.Header.Set(change[i], change[i+1])
	}
	status, _, body := n.fetch(req)
	return status, body
}

func (n *testNode) fetch(req *http.Request) (int, http.Header, string) {
	n.t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	require.NoError(n.t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(n.t, err)
	return resp.StatusCode, resp.Header, string(body)
}

// uploaded declares and uploads a file.
func (n *testNode) uploaded(user domain.UserID, name, mime string, data []byte) domain.AttachmentID {
	n.t.Helper()
	up := n.declare(user, name, mime, data)
	status, body := n.put(up, data)
	require.Equal(n.t, 204, status, body)
	return up.AttachmentID
}

func fileContent(id domain.AttachmentID) map[string]any {
	return map[string]any{"type": "file", "attachment_id": id}
}

// attach posts a message that names an attachment.
func (n *testNode) attach(user domain.UserID, to domain.ConversationID, msgID string, content map[string]any) (int, []byte) {
	n.t.Helper()
	return n.call(user, "POST", "/v1/conversations/"+to.String()+"/messages", map[string]any{"client_msg_id": msgID, "content": content})
}

// location asks for a file, and returns where it is; "" with another status.
func (n *testNode) location(user domain.UserID, id domain.AttachmentID) (int, string) {
	n.t.Helper()
	req, err := http.NewRequest("GET", n.URL+"/v1/attachments/"+id.String(), nil)
	require.NoError(n.t, err)
	req.Header.Set("Authorization", "Bearer "+userToken(n.t, user))
	status, header, _ := n.fetch(req)
	return status, header.Get("Location")
}

// read reads a file by its address.
func (n *testNode) read(address string) (int, http.Header, string) {
	n.t.Helper()
	req, err := http.NewRequest("GET", address, nil)
	require.NoError(n.t, err)
	return n.fetch(req)
}

// filesIn returns the files below a folder.
func filesIn(t *testing.T, folder string) (files []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, path)
		}
		return err
	}))
	return files
}

// newFileCluster is newCluster with a folder for files, which it returns.
func newFileCluster(t *testing.T, env ...string) (c *cluster, folder string) {
	t.Helper()
	folder = t.TempDir()
	return newCluster(t, append(env, "IM_ATTACHMENTS=file://"+folder)...), folder
}

// number runs a query for one number.
func (c *cluster) number(sql string) (n int) {
	c.t.Helper()
	db, err := pgx.Connect(context.Background(), c.database)
	require.NoError(c.t, err)
	defer func() { _ = db.Close(context.Background()) }()
	require.NoError(c.t, db.QueryRow(context.Background(), sql).Scan(&n))
	return n
}

func (c *cluster) exec(sql string) {
	c.t.Helper()
	db, err := pgx.Connect(context.Background(), c.database)
	require.NoError(c.t, err)
	defer func() { _ = db.Close(context.Background()) }()
	_, err = db.Exec(context.Background(), sql)
	require.NoError(c.t, err)
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func refusal(t *testing.T, body []byte) (code domain.Code, fields map[string]string) {
	t.Helper()
	p := decode[struct {
		Code   domain.Code
		Fields map[string]string
	}](t, body)
	return p.Code, p.Fields
}

// TestAttachment: a file goes from its declaration to its deletion, over two nodes.
func TestAttachment(t *testing.T) {
	c, folder := newFileCluster(t)
	one, two := c.node("one"), c.node("two")
	group := one.group("alice", "bob")
	up := one.declare("alice", "cat.png", "image/png", png)
	require.True(t, strings.HasPrefix(up.UploadURL, one.URL+"/attachments/"), up.UploadURL)
	require.WithinDuration(t, time.Now().Add(time.Hour), up.ExpiresAt.Time, 5*time.Minute)

	status, body := one.attach("alice", group, "early", fileContent(up.AttachmentID))
	require.Equal(t, 400, status, "%s", body)
	_, fields := refusal(t, body)
	require.Contains(t, fields, "/content/attachment_id", "it is not uploaded")
	status, _ = one.location("alice", up.AttachmentID)
	require.Equal(t, 404, status, "there is nothing to read")

	elsewhere := up
	elsewhere.UploadURL = two.URL + strings.TrimPrefix(up.UploadURL, one.URL) // another node takes it
	status, text := two.put(elsewhere, png)
	require.Equal(t, 204, status, text)
	status, text = one.put(up, png)
	require.Equal(t, 204, status, "a repetition changes nothing: %s", text)
	require.Len(t, filesIn(t, folder), 1)
	status, _ = one.location("alice", up.AttachmentID)
	require.Equal(t, 302, status, "its owner may look at it")
	status, _ = one.location("bob", up.AttachmentID)
	require.Equal(t, 404, status, "no one else may")

	status, body = one.attach("alice", group, "m-1", fileContent(up.AttachmentID))
	require.Equal(t, 201, status, "%s", body)
	posted := decode[domain.Event](t, body)
	status, body = two.attach("alice", group, "m-1", fileContent(up.AttachmentID))
	require.Equal(t, 200, status, "a repetition: %s", body)
	for _, n := range []*testNode{one, two} {
		status, address := n.location("bob", up.AttachmentID)
		require.Equal(t, 302, status)
		status, header, text := n.read(address)
		require.Equal(t, 200, status)
		require.Equal(t, string(png), text)
		require.Equal(t, "image/png", header.Get("Content-Type"))
		require.Equal(t, `inline; filename="cat.png"; filename*=UTF-8''cat.png`, header.Get("Content-Disposition"))
		require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"))
		require.Contains(t, header.Get("Content-Security-Policy"), "sandbox")
		status, _ = n.location("carol", up.AttachmentID)
		require.Equal(t, 404, status, "not a member")
		link := decode[domain.AttachmentLink](t, n.mustCall(200, userToken(t, "bob"), "GET", "/v1/attachments/"+up.AttachmentID.String()+"?redirect=false", nil))
		require.Equal(t, "cat.png", link.Name)
		require.WithinDuration(t, time.Now().Add(5*time.Minute), link.ExpiresAt.Time, time.Minute)
		status, _, _ = n.read(link.URL)
		require.Equal(t, 200, status)
	}

	_, address := one.location("bob", up.AttachmentID)
	one.mustCall(200, userToken(t, "alice"), "DELETE", "/v1/conversations/"+group.String()+"/messages/"+itoa(posted.Seq), nil)
	for _, user := range []domain.UserID{"alice", "bob"} {
		status, _ = two.location(user, up.AttachmentID)
		require.Equal(t, 404, status, "recalled")
	}
	status, _, _ = two.read(address)
	require.Equal(t, 404, status, "an address that was signed before the recall")
	eventually.True(t, "the file is deleted", func() bool { return len(filesIn(t, folder)) == 0 })
	status, _ = one.put(up, png)
	require.Equal(t, 404, status, "the upload cannot bring it back")
}

// undeclared declares a file without its checksum.
func (n *testNode) undeclared(user domain.UserID, data []byte) domain.AttachmentUpload {
	n.t.Helper()
	d := declaration("a", "image/png", data)
	delete(d, "sha256")
	return decode[domain.AttachmentUpload](n.t, n.mustCall(201, userToken(n.t, user), "POST", "/v1/attachments", d))
}

// TestAttachmentWithoutChecksum: the first file that fits stays.
func TestAttachmentWithoutChecksum(t *testing.T) {
	c, folder := newFileCluster(t)
	n := c.node("one")
	other := append([]byte{}, png...)
	other[len(other)-1] ^= 1
	up := n.undeclared("alice", png)
	status, text := n.put(up, png[1:])
	require.Equal(t, 400, status, text)
	for _, body := range [][]byte{png, other} {
		status, text = n.put(up, body)
		require.Equal(t, 204, status, text)
	}
	status, posted := n.attach("alice", n.group("alice", "bob"), "m", map[string]any{"type": "image", "attachment_id": up.AttachmentID})
	require.Equal(t, 201, status, "%s", posted)
	_, address := n.location("bob", up.AttachmentID)
	status, _, text = n.read(address)
	require.Equal(t, 200, status)
	require.Equal(t, string(png), text)

	// A node that died before it noted the upload has left the file. So has an upload that is
	// faster than another one.
	up = n.undeclared("alice", png)
	id := up.AttachmentID.String()
	require.NoError(t, os.MkdirAll(filepath.Join(folder, id[len(id)-2:]), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, id[len(id)-2:], id), png, 0o600))
	status, text = n.put(up, other)
	require.Equal(t, 204, status, text)
	_, address = n.location("alice", up.AttachmentID)
	_, _, text = n.read(address)
	require.Equal(t, string(png), text)
}

// TestAttachmentsOfTheApp: without a storage, ids are those of a storage of the app's own.
func TestAttachmentsOfTheApp(t *testing.T) {
	c := newCluster(t)
	n := c.node("one")
	group := n.group("alice", "bob")
	for i, id := range []string{"a-7", "0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e5f"} {
		status, posted := n.attach("alice", group, "m"+strconv.Itoa(i), map[string]any{"type": "file", "attachment_id": id})
		require.Equal(t, 201, status, "%s", posted)
	}
	n.mustCall(503, userToken(t, "alice"), "POST", "/v1/attachments", declaration("a", "image/png", png))
}

// TestAttachmentLies: nothing becomes ready that is not what was declared.
func TestAttachmentLies(t *testing.T) {
	c, folder := newFileCluster(t)
	n := c.node("one")
	other := append([]byte{}, png...)
	other[len(other)-1] ^= 1
	sum := sha256.Sum256(other)
	html := []byte("<script>alert(1)</script>")
	for name, lie := range map[string]struct {
		mime string
		data []byte // declared
		body []byte
		head []string // changed headers
	}{
		"longer":                  {"image/png", png, append(append([]byte{}, png...), 'x'), nil},
		"shorter":                 {"image/png", png, png[:len(png)-1], nil},
		"empty":                   {"image/png", png, nil, nil},
		"other bytes":             {"image/png", png, other, nil},
		"other bytes, other sum":  {"image/png", png, other, []string{"X-Checksum-Sha256", hex.EncodeToString(sum[:])}},
		"other type":              {"image/png", png, png, []string{"Content-Type", "text/html"}},
		"type is not of the file": {"image/png", html, html, nil},
		"no picture either":       {"image/jpeg", png, png, nil},
	} {
		up := n.declare("alice", "a", lie.mime, lie.data)
		status, text := n.put(up, lie.body, lie.head...)
		require.Equal(t, 400, status, "%s: %s", name, text)
		status, _ = n.location("alice", up.AttachmentID)
		require.Equal(t, 404, status, name)
		require.Empty(t, filesIn(t, folder), name)
	}

	up := n.declare("alice", "a", "image/png", png)
	second := n.declare("alice", "a", "image/png", png)
	at, err := url.Parse(up.UploadURL)
	require.NoError(t, err)
	query := at.Query()
	for name, change := range map[string]func(*url.URL, url.Values){
		"another file":  func(u *url.URL, _ url.Values) { u.Path = "/attachments/" + second.AttachmentID.String() },
		"later":         func(_ *url.URL, q url.Values) { q.Set("expires", itoa(time.Now().Add(100*time.Hour).Unix())) },
		"no signature":  func(_ *url.URL, q url.Values) { q.Del("signature") },
		"expired":       func(_ *url.URL, q url.Values) { q.Set("expires", "1") },
		"out of folder": func(u *url.URL, _ url.Values) { u.Path = "/attachments/../../" + up.AttachmentID.String() },
		"a path":        func(u *url.URL, _ url.Values) { u.Path = "/attachments/..%2f..%2fetc%2fpasswd" },
	} {
		forged, values := *at, url.Values{}
		for k, v := range query {
			values[k] = v
		}
		change(&forged, values)
		forged.RawQuery = values.Encode()
		wrong := up
		wrong.UploadURL = forged.String()
		status, _ := n.put(wrong, png)
		require.Equal(t, 404, status, name)
	}
	// The signature of an upload does not permit to read.
	require.NotEmpty(t, n.uploaded("alice", "b", "image/png", png))
	status, text := n.put(up, png)
	require.Equal(t, 204, status, text)
	status, _, _ = n.read(up.UploadURL)
	require.Equal(t, 404, status)
	_, address := n.location("alice", up.AttachmentID)
	wrong := up
	wrong.UploadURL = address
	status, _ = n.put(wrong, png)
	require.Equal(t, 404, status, "nor the other way round")
	require.Equal(t, 0, countTemporary(t, folder))
}

func countTemporary(t *testing.T, folder string) int {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(folder, "tmp"))
	require.NoError(t, err)
	return len(entries)
}

// TestAttachmentRefusals: declarations outside of the limits, and messages that may not name
// an attachment.
func TestAttachmentRefusals(t *testing.T) {
	c, _ := newFileCluster(t, "IM_LIMIT_ATTACHMENT_BYTES=100", "IM_LIMIT_ATTACHMENTS_PER_DAY=12")
	one, two := c.node("one"), c.node("two")
	for name, wrong := range map[string]struct {
		status  int
		pointer string
		change  func(map[string]any)
	}{
		"too large":       {413, "/size", func(m map[string]any) { m["size"] = 101 }},
		"empty":           {400, "/size", func(m map[string]any) { m["size"] = 0 }},
		"no size":         {400, "/size", func(m map[string]any) { delete(m, "size") }},
		"no type":         {400, "/mime", func(m map[string]any) { m["mime"] = "png" }},
		"parameters":      {400, "/mime", func(m map[string]any) { m["mime"] = "text/plain; charset=utf-8" }},
		"upper case":      {400, "/mime", func(m map[string]any) { m["mime"] = "Image/PNG" }},
		"line break":      {400, "/mime", func(m map[string]any) { m["mime"] = "image/png\r\nX: y" }},
		"short sum":       {400, "/sha256", func(m map[string]any) { m["sha256"] = "abc" }},
		"long name":       {400, "/name", func(m map[string]any) { m["name"] = strings.Repeat("x", 256) }},
		"no name":         {400, "/name", func(m map[string]any) { m["name"] = "" }},
		"U+0000 in name":  {400, "/name", func(m map[string]any) { m["name"] = "a\x00b" }},
		"an unknown name": {400, "/folder", func(m map[string]any) { m["folder"] = ".." }},
	} {
		d := declaration("a", "image/png", png)
		wrong.change(d)
		status, body := one.call("alice", "POST", "/v1/attachments", d)
		require.Equal(t, wrong.status, status, "%s: %s", name, body)
		_, fields := refusal(t, body)
		require.Contains(t, fields, wrong.pointer, name)
	}

	group, second := one.group("alice", "bob"), one.group("alice", "bob")
	mine, bobs := one.uploaded("alice", "a", "image/png", png), two.uploaded("bob", "b", "image/png", png)
	status, body := one.attach("alice", group, "m-1", fileContent(mine))
	require.Equal(t, 201, status, "%s", body)
	first := decode[domain.Event](t, body)
	for name, wrong := range map[string]struct {
		user    domain.UserID
		to      domain.ConversationID
		content map[string]any
		pointer string
	}{
		"another's":                {"alice", group, fileContent(bobs), "/content/attachment_id"},
		"another's, in this group": {"bob", group, fileContent(mine), "/content/attachment_id"},
		"in another conversation":  {"alice", second, fileContent(mine), "/content/attachment_id"},
		"unknown":                  {"alice", group, map[string]any{"type": "file", "attachment_id": "0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e5f"}, "/content/attachment_id"},
		"no id":                    {"alice", group, map[string]any{"type": "file", "attachment_id": "../../etc/passwd"}, "/content/attachment_id"},
		"zero":                     {"alice", group, map[string]any{"type": "file", "attachment_id": "00000000-0000-0000-0000-000000000000"}, "/content/attachment_id"},
		"another size":             {"alice", group, map[string]any{"type": "file", "attachment_id": mine, "size": 7}, "/content/size"},
		"another type":             {"alice", group, map[string]any{"type": "file", "attachment_id": mine, "mime": "text/html"}, "/content/mime"},
	} {
		status, body := two.attach(wrong.user, wrong.to, "wrong", wrong.content)
		require.Equal(t, 400, status, "%s: %s", name, body)
		_, fields := refusal(t, body)
		require.Contains(t, fields, wrong.pointer, name)
	}
	// A refused first message creates no conversation.
	status, body = two.call("alice", "POST", "/v1/messages", map[string]any{"to": "dave", "client_msg_id": "d", "content": fileContent(bobs)})
	require.Equal(t, 400, status, "%s", body)
	require.Empty(t, decode[domain.Page[domain.ConversationView]](t, two.mustCall(200, userToken(t, "dave"), "GET", "/v1/conversations", nil)).Items)
	toDave := one.uploaded("alice", "d", "image/png", png)
	status, body = two.call("alice", "POST", "/v1/messages", map[string]any{"to": "dave", "client_msg_id": "d", "content": fileContent(toDave)})
	require.Equal(t, 201, status, "%s", body)
	status, _ = one.location("dave", toDave)
	require.Equal(t, 302, status)

	// A message may name it again in the same conversation; it stays until the last recall.
	status, body = one.attach("alice", group, "m-2", fileContent(mine))
	require.Equal(t, 201, status, "%s", body)
	again := decode[domain.Event](t, body)
	base := "/v1/conversations/" + group.String() + "/messages/"
	one.mustCall(200, userToken(t, "alice"), "DELETE", base+itoa(first.Seq), nil)
	status, _ = two.location("bob", mine)
	require.Equal(t, 302, status, "another message names it")
	two.mustCall(200, userToken(t, "alice"), "PATCH", base+itoa(again.Seq), map[string]any{"content": text("no file")})
	status, _ = two.location("bob", mine)
	require.Equal(t, 302, status, "the first version of the message is still in the log")
	two.mustCall(200, userToken(t, "alice"), "DELETE", base+itoa(again.Seq), nil)
	status, _ = two.location("bob", mine)
	require.Equal(t, 404, status)

	// A member who was removed, and one who may not read the message.
	edited := one.uploaded("alice", "e", "image/png", png)
	status, body = one.attach("alice", group, "m-3", text("x"))
	require.Equal(t, 201, status)
	one.mustCall(200, userToken(t, "alice"), "PATCH", base+itoa(decode[domain.Event](t, body).Seq), map[string]any{"content": fileContent(edited)})
	status, _ = two.location("bob", edited)
	require.Equal(t, 302, status, "an edit names it")
	one.remove("alice", group, "bob")
	status, _ = two.location("bob", edited)
	require.Equal(t, 404, status)
	one.mustCall(200, userToken(t, "alice"), "PATCH", "/v1/conversations/"+group.String(), map[string]any{"settings": map[string]any{"history": "since_join"}})
	one.add("alice", group, "bob")
	status, _ = two.location("bob", edited)
	require.Equal(t, 404, status, "the message is below the floor")
	status, _ = two.location("alice", edited)
	require.Equal(t, 302, status)

	// The quota of a day, over both nodes.
	limited := false
	for i := range 12 {
		n := []*testNode{one, two}[i%2]
		status, body := n.call("alice", "POST", "/v1/attachments", declaration("a", "image/png", png))
		if status == 429 {
			limited = true
			require.Positive(t, decode[struct {
				RetryAfterMS int64 `json:"retry_after_ms"`
			}](t, body).RetryAfterMS)
			break
		}
		require.Equal(t, 201, status, "%s", body)
	}
	require.True(t, limited)
	two.declare("carol", "c", "image/png", png)
}

// TestNoAttachments: without a storage, uploads are refused for good.
func TestNoAttachments(t *testing.T) {
	c := newCluster(t)
	n := c.node("one")
	status, body := n.call("alice", "POST", "/v1/attachments", declaration("a", "image/png", png))
	require.Equal(t, 503, status)
	refused := decode[struct{ Code, Retry string }](t, body)
	require.Equal(t, "unavailable", refused.Code)
	require.Equal(t, "never", refused.Retry)
}

// TestOrphans: an upload that no message names is deleted, whether it was uploaded or not,
// while nodes that sweep are killed.
func TestOrphans(t *testing.T) {
	c, folder := newFileCluster(t, "IM_ATTACHMENTS_ORPHANS=3s")
	one, two := c.node("one"), c.node("two")
	group := one.group("alice", "bob")
	kept := one.uploaded("alice", "kept", "image/png", png)
	status, body := one.attach("alice", group, "m-1", fileContent(kept))
	require.Equal(t, 201, status, "%s", body)
	two.declare("alice", "never uploaded", "image/png", png)
	orphan := two.uploaded("alice", "orphan", "image/png", png)
	require.Len(t, filesIn(t, folder), 2)
	one.Signal(syscall.SIGKILL)
	eventually.True(t, "the orphan is deleted", func() bool { return len(filesIn(t, folder)) == 1 })
	status, _ = two.location("alice", orphan)
	require.Equal(t, 404, status)
	status, body = two.attach("alice", group, "m-2", fileContent(orphan))
	require.Equal(t, 400, status, "%s", body)
	status, _ = two.location("bob", kept)
	require.Equal(t, 302, status)
	require.Zero(t, c.number(`SELECT count(*) FROM attachments WHERE state IN ('pending', 'ready')`))
	require.Equal(t, 2, c.number(`SELECT count(*) FROM attachments WHERE state = 'gone'`), "an upload that is still signed may bring the file back")
	c.exec(`UPDATE attachments SET upload_until = clock_timestamp() - interval '2 hours', due_at = clock_timestamp() WHERE state = 'gone'`)
	eventually.True(t, "the rows are deleted", func() bool { return c.number(`SELECT count(*) FROM attachments`) == 1 })
}

// TestRecallSurvives: the file of a recalled message is deleted though the storage is away
// at the recall, and though the node that recalled it is killed before it comes back.
func TestRecallSurvives(t *testing.T) {
	c, folder := newFileCluster(t)
	one := c.node("one")
	group := one.group("alice", "bob")
	id := one.uploaded("alice", "a", "image/png", png)
	status, body := one.attach("alice", group, "m-1", fileContent(id))
	require.Equal(t, 201, status, "%s", body)
	away := folder + "-away"
	require.NoError(t, os.Rename(filepath.Join(folder, "tmp"), away)) // the storage fails
	seq := decode[domain.Event](t, body).Seq
	one.mustCall(200, userToken(t, "alice"), "DELETE", "/v1/conversations/"+group.String()+"/messages/"+itoa(seq), nil)
	eventually.True(t, "a deletion has failed", func() bool { return c.number(`SELECT attempts FROM attachments`) > 0 })
	one.Signal(syscall.SIGKILL)
	require.Len(t, filesIn(t, folder), 1)
	require.NoError(t, os.Rename(away, filepath.Join(folder, "tmp")))
	two := c.node("two")
	eventually.True(t, "the file is deleted", func() bool { return len(filesIn(t, folder)) == 0 })
	status, _ = two.location("bob", id)
	require.Equal(t, 404, status)
}

// TestHostileNames: the name of a file is never a path or a header of its own.
func TestHostileNames(t *testing.T) {
	c, folder := newFileCluster(t)
	n := c.node("one")
	for name, want := range map[string]string{
		"../../etc/passwd":             `attachment; filename="passwd"; filename*=UTF-8''passwd`,
		`..\..\boot.ini`:               `attachment; filename="boot.ini"; filename*=UTF-8''boot.ini`,
		"a\"; filename=\"b.exe":        `attachment; filename="a__ filename=_b.exe"; filename*=UTF-8''a%22%3B%20filename%3D%22b.exe`,
		"a\r\nSet-Cookie: x=y":         `attachment; filename="aSet-Cookie_ x_y"; filename*=UTF-8''aSet-Cookie%3A%20x%3Dy`,
		"photo\u202egnp.exe":           `attachment; filename="photognp.exe"; filename*=UTF-8''photognp.exe`,
		"报告.pdf":                       `attachment; filename="__.pdf"; filename*=UTF-8''%E6%8A%A5%E5%91%8A.pdf`,
		"..":                           `attachment; filename="file"; filename*=UTF-8''file`,
		"/":                            `attachment; filename="file"; filename*=UTF-8''file`,
		"<img src=x onerror=alert(1)>": `attachment; filename="_img src_x onerror_alert_1__"; filename*=UTF-8''%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E`,
	} {
		id := n.uploaded("alice", name, "text/html", []byte("<script>alert(1)</script>"))
		_, address := n.location("alice", id)
		status, header, _ := n.read(address)
		require.Equal(t, 200, status)
		require.Equal(t, []string{strings.ReplaceAll(want, "filename=_b", "filename__b")}, header["Content-Disposition"], "%q", name)
		require.Equal(t, "application/octet-stream", header.Get("Content-Type"), "no page of ours")
		require.Empty(t, header.Get("Set-Cookie"))
	}
	for _, path := range filesIn(t, folder) {
		require.Regexp(t, `/[0-9a-f]{2}/[0-9a-f-]{36}$`, path)
	}
}

// TestFilesAtAnOriginOfTheirOwn: with IM_ATTACHMENTS_URL, the address of the node serves no
// file.
func TestFilesAtAnOriginOfTheirOwn(t *testing.T) {
	c, _ := newFileCluster(t, "IM_ATTACHMENTS_URL=https://files.example.com/")
	n := c.node("one")
	up := n.declare("alice", "a", "image/png", png)
	require.True(t, strings.HasPrefix(up.UploadURL, "https://files.example.com/attachments/"), up.UploadURL)
	atNode := up
	atNode.UploadURL = n.URL + strings.TrimPrefix(up.UploadURL, "https://files.example.com")
	status, _ := n.put(atNode, png)
	require.Equal(t, 404, status)
	req, err := http.NewRequest("PUT", atNode.UploadURL, bytes.NewReader(png))
	require.NoError(t, err)
	req.Host = "files.example.com"
	for name, value := range up.Headers {
		req.Header.Set(name, value)
	}
	status, _, text := n.fetch(req)
	require.Equal(t, 204, status, text)
}
