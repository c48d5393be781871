package web

import (
	"embed"
	"net/http"
)

// The admin page has modules of its own, and uses some of the chat page.
//
//go:embed admin.html icon.svg admin
//go:embed page/ask.js page/base.css page/claims.js page/dom.js page/form.js page/people.css page/theme.js
//go:embed page/words.js page/words-en.js page/words-groups-en.js
var admin embed.FS

// adminPolicy is stricter than that of the chat: the page shows pictures of nobody, since
// the address of one that a user chose would learn about the operator, and creates no
// markup from strings.
const adminPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// AdminPath is where Admin serves the page.
const AdminPath = "/admin/"

// Admin answers GET and HEAD requests for the admin page at AdminPath and for its files,
// and 404 to all others. The page is for operators with a server token, and is not served
// where clients connect. It calls the REST API at the same origin, one level up.
func Admin() http.Handler {
	assets := assetsOf(admin, AdminPath)
	assets[AdminPath] = assets[AdminPath+"admin.html"]
	files := pages{assets, adminPolicy, http.NotFoundHandler()}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		files.ServeHTTP(w, r)
	})
}
