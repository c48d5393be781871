// Package web serves the chat page that every node has at /. The page is embedded in
// the binary: one HTML file, and the style sheets and ES modules of the folder page,
// without a build step. It loads nothing from other origins and runs no inline script;
// its Content-Security-Policy enforces both.
//
// im.js is the JavaScript client of the folder client in one file, which `make generate`
// writes. The page uses it, and other pages may import it from a node.
//
// The admin page, for operators, is in the folder admin. It uses some of the modules of
// the chat page, and is served at the admin address only.
//
// push-worker.js is the service worker of the page. It shows push notifications; it
// answers no requests and caches nothing. It lies at the root, because a worker is for
// what is below its folder.
package web
