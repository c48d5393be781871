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

//go:embed index.html style.css *.js icon.svg
var files embed.FS

// contentType is the type of a file here, whatever the machine's MIME table says.
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

type asset struct {
	kind, tag string
	data      []byte
}

// policy allows the page its own files, its own server, and nothing else.
const policy = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"

// Handler serves the page at / and its files beside it, to be read; everything
// else is for elsewhere to answer.
// Browsers keep the files and ask each time whether they have changed, so a new
// version shows at the next visit.
func Handler(elsewhere http.Handler) http.Handler {
	assets := map[string]asset{}
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		panic(err) // embedded: it is there or does not compile
	}
	for _, entry := range entries {
		data, err := files.ReadFile(entry.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(data)
		assets["/"+entry.Name()] = asset{contentType(entry.Name()), `"` + hex.EncodeToString(sum[:12]) + `"`, data}
	}
	assets["/"] = assets["/index.html"]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		file, ok := assets[r.URL.Path]
		if ok && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			serve(w, r, file)
			return
		}
		elsewhere.ServeHTTP(w, r)
	})
}

func serve(w http.ResponseWriter, r *http.Request, file asset) {
	h := w.Header()
	h.Set("Content-Type", file.kind)
	h.Set("ETag", file.tag)
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if strings.HasPrefix(file.kind, "text/html") {
		h.Set("Content-Security-Policy", policy)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file.data))
}
