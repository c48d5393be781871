package reference

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"sync"
)

var (
	//go:embed page.html
	pageTemplate string
	//go:embed reference.css
	style []byte
	//go:embed reference.js
	script []byte
)

// content is what the template shows.
type content struct {
	Version       string
	Intro         template.HTML
	Groups        []group
	Schemas       []schema
	SocketIntro   template.HTML
	SocketChannel template.HTML
	Requests      []frame
	Answers       []frame
	SocketSchemas []schema
}

// Render returns the page about the two documents.
func Render(openAPI, asyncAPI []byte) ([]byte, error) {
	calls, err := parse(openAPI)
	if err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	socket, err := parse(asyncAPI)
	if err != nil {
		return nil, fmt.Errorf("asyncapi.yaml: %w", err)
	}
	r := rest{calls, schemas{"rest-"}}
	f := frames{socket, schemas{"frames-"}}
	page, err := template.New("page").Parse(pageTemplate)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = page.Execute(&b, content{
		Version: calls.get("info", "version").text(), Intro: prose(calls.get("info", "description").text()), Groups: r.groups(),
		Schemas:     r.schemas.named(calls.get("components")),
		SocketIntro: prose(socket.get("info", "description").text()), SocketChannel: prose(socket.get("channels", "socket", "description").text()),
		Requests: f.requests(), Answers: f.answers(), SocketSchemas: f.schemas.named(socket.get("components")),
	})
	return b.Bytes(), err
}

// policy allows the page its own files and calls to its own server.
const policy = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"

// Handler answers GET and HEAD requests for the reference and its files, and passes every
// other request to next.
func Handler(openAPI, asyncAPI []byte, next http.Handler) http.Handler {
	render := sync.OnceValues(func() ([]byte, error) { return Render(openAPI, asyncAPI) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		switch r.URL.Path {
		case "/docs":
			page, err := render()
			if err != nil {
				panic(err) // the documents are part of the program, and a test renders them
			}
			w.Header().Set("Content-Security-Policy", policy)
			write(w, "text/html; charset=utf-8", page)
		case "/docs/reference.css":
			write(w, "text/css; charset=utf-8", style)
		case "/docs/reference.js":
			write(w, "text/javascript; charset=utf-8", script)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func write(w http.ResponseWriter, contentType string, data []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	_, _ = w.Write(data)
}
