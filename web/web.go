package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed index.html icon.svg im.js push-worker.js page
var chat embed.FS

// contentType returns the MIME type of a file of this package. It does not depend on the
// MIME table of the machine.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	default:
		return "image/svg+xml"
	}
}

// asset is one embedded file with its headers.
type asset struct {
	contentType, etag string
	data              []byte
}

// policy allows the page to load only its own files and to connect only to its own server,
// and to origins that are added to connect-src. Its service worker is such a file, too. Pictures in messages are at addresses of the
// app's choice.
const policy = "default-src 'self'; img-src 'self' https: http:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; connect-src 'self'"

// Handler answers GET and HEAD requests for the page at / and for its files. It passes
// every other request to next. The page may also connect to some other origins, for
// uploads. Browsers revalidate cached files at each visit, so a new
// version is visible immediately.
func Handler(next http.Handler, origins ...string) http.Handler {
	assets := assetsOf(chat, "/")
	assets["/"] = assets["/index.html"]
	return pages{assets, strings.Join(append([]string{policy}, origins...), " "), next}
}

// assetsOf returns the files of a file system by path, below a path.
func assetsOf(files fs.FS, below string) map[string]asset {
	assets := map[string]asset{}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		assets[below+name] = asset{contentType(name), `"` + hex.EncodeToString(sum[:12]) + `"`, data}
		return nil
	})
	if err != nil {
		panic(err) // cannot happen: the files are embedded
	}
	return assets
}

// pages serves files, and passes requests for other things on.
type pages struct {
	assets map[string]asset // by path
	policy string           // the Content-Security-Policy of HTML files
	next   http.Handler
}

// ServeHTTP implements http.Handler.
func (p pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, ok := p.assets[r.URL.Path]
	if ok && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		serve(w, r, file, p.policy)
		return
	}
	p.next.ServeHTTP(w, r)
}

func serve(w http.ResponseWriter, r *http.Request, file asset, policy string) {
	h := w.Header()
	h.Set("Content-Type", file.contentType)
	h.Set("ETag", file.etag)
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if strings.HasPrefix(file.contentType, "text/html") {
		h.Set("Content-Security-Policy", policy)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file.data))
}
